//! What the steps from a stop to the certificate take, with callers that are blocked at the stop: the
//! owner of the session stops it, and destroys it as soon as they have left. And when the last caller
//! had returned by its own clock, beside when the daemon knew.

use anyhow::{Context as _, Result};
use onair_api::StepName;
use onair_ipc::sys;
use onair_stage::{Deadline, Rig, receive};

use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig::TINY;
use crate::run::Run;

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
        let (mut returned, mut noticed) = (Samples::default(), Samples::default());
        for _ in 0..rounds {
            let last = one(rig, callers, &mut times)?;
            returned.push(last.returned_us);
            noticed.push(last.noticed_us);
            run.step();
        }
        let variant = format!("{callers} blocked: stop → last caller returned, by its own clock");
        rows.push(
            Row::of("P7", variant, "µs", &returned)
                .beside("the daemon knows: last user left", &returned, &noticed)
                .pinned("none; the poller on the last core"),
        );
        let names = STEPS.iter().map(|(_, name)| *name).chain([ANSWER]);
        for (name, samples) in names.zip(&times) {
            let variant = format!("{callers} blocked: {name}");
            rows.push(Row::of("P7", variant, "µs", samples));
        }
    }
    Ok(rows)
}

/// From the stop until the last caller had returned, by its own clock and by the daemon's.
struct LastReturn {
    returned_us: f64,
    noticed_us: f64,
}

fn one(rig: &Rig, callers: u32, times: &mut [Samples]) -> Result<LastReturn> {
    let mut control = rig.control()?;
    control.create(&receive("steps", TINY, 5006))?;
    let wanted = Wanted {
        blocked: callers,
        ..Wanted::default()
    };
    let mut user = users::start(
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
    let returned = user.event("returned", Deadline::seconds(30))?["at"].as_u64();
    let returned = returned.context("a time")?;
    drop(user);
    let at = |name: StepName| {
        let mut steps = certificate.steps.iter();
        let found = steps.find(|step| step.step == name);
        found
            .map(|step| step.monotonic_ns)
            .with_context(|| format!("no step {name}"))
    };
    // A step that was reached while the one before it was under way took no time of its own.
    let requested = at(StepName::StopRequested)?;
    let mut last = requested;
    for ((name, _), samples) in STEPS.iter().zip(times.iter_mut()) {
        let now = at(*name)?.max(last);
        samples.push(micros(now - last));
        last = now;
    }
    times[STEPS.len()].push(micros(answered.saturating_sub(last)));
    let since = |ns: u64| micros(ns.saturating_sub(requested));
    Ok(LastReturn {
        returned_us: since(returned),
        noticed_us: since(at(StepName::LastUserLeft)?),
    })
}
