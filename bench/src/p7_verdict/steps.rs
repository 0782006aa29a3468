//! What the steps from a stop to the certificate take, with callers that are blocked at the stop: the
//! owner of the session stops it, and destroys it as soon as they have left.

use anyhow::{Context as _, Result};
use onair_ipc::sys;
use onair_stage::{Rig, receive};
use onair_types::StepName;

use crate::rig::TINY;
use crate::row::Row;
use crate::run::Run;
use crate::samples::{Samples, micros};
use crate::users::{self, Wanted};

const CALLERS: [u32; 4] = [1, 8, 32, 100];
/// Each from the one before it.
const STEPS: [(StepName, &str); 5] = [
    (StepName::GatesClosed, "stop → gates closed"),
    (StepName::PollersQuiesced, "→ pollers quiesced"),
    (StepName::LastUserLeft, "→ last user left"),
    (StepName::Verdict, "→ verdict"),
    (StepName::Destroyed, "→ destroyed"),
];
const ANSWER: &str = "→ in the owner's hands";

pub(super) fn rows(rig: &Rig, run: &Run) -> Result<Vec<Row>> {
    let rounds = run.either(30, 12);
    let mut rows = vec![];
    for callers in CALLERS {
        run.case(format!("steps, {callers} callers"), rounds);
        let mut times = [const { Samples::new() }; STEPS.len() + 1];
        for _ in 0..rounds {
            one(rig, callers, &mut times)?;
            run.step();
        }
        let names = STEPS.iter().map(|(_, name)| *name).chain([ANSWER]);
        for (name, samples) in names.zip(&times) {
            let variant = format!("{callers} blocked: {name}");
            rows.push(
                Row::of("P7", variant, "µs", samples)
                    .point(&format!("certificate/{name}"), f64::from(callers)),
            );
        }
    }
    Ok(rows)
}

fn one(rig: &Rig, callers: u32, times: &mut [Samples]) -> Result<()> {
    let mut control = rig.control()?;
    control.create(&receive("steps", TINY, 5006))?;
    let wanted = Wanted {
        blocked: callers,
        ..Wanted::default()
    };
    let user = users::start(
        rig.stage(),
        &rig.attach_socket(),
        &["steps".to_owned()],
        wanted,
    )?;
    // Two connections: the destroy is on its way while the stop is answered.
    let mut other = rig.control()?;
    control.stop("steps")?;
    let certificate = other.destroy_wait("steps")?;
    let answered = sys::monotonic_ns();
    drop(user);
    let at = |name: StepName| {
        let mut steps = certificate.steps.iter();
        let found = steps.find(|step| step.step == name);
        found
            .map(|step| step.monotonic_ns)
            .with_context(|| format!("no step {name}"))
    };
    // A step that was reached while the one before it was under way took no time of its own.
    let mut last = at(StepName::StopRequested)?;
    for ((name, _), samples) in STEPS.iter().zip(times.iter_mut()) {
        let now = at(*name)?.max(last);
        samples.push(micros(now - last));
        last = now;
    }
    times[STEPS.len()].push(micros(answered.saturating_sub(last)));
    Ok(())
}
