//! What the steps from a stop to the certificate take, with callers that are blocked at the stop: the
//! owner of the session stops it, and destroys it as soon as they have left.

use anyhow::{Context as _, Result};
use onair_ipc::sys;
use onair_types::{Certificate, StepName};
use serde_json::json;

use crate::row::Row;
use crate::run::Run;
use crate::samples::Samples;
use crate::stand::Stand;
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

pub(super) fn rows(stand: &Stand, run: &Run) -> Result<Vec<Row>> {
    let rounds = run.either(30, 4);
    let mut rows = vec![];
    for callers in CALLERS {
        run.case(format!("steps, {callers} callers"), rounds);
        let mut times = [const { Samples::new() }; STEPS.len() + 1];
        for _ in 0..rounds {
            one(stand, callers, &mut times)?;
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

fn one(stand: &Stand, callers: u32, times: &mut [Samples]) -> Result<()> {
    let mut control = stand.control()?;
    let spec = json!({
        "name": "steps", "direction": "receive", "port": "b",
        "video": {"width": 64, "height": 16, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": "10.77.0.2:5006"},
    });
    control.must_with("POST", "/v1/sessions", &spec)?;
    let wanted = Wanted {
        blocked: callers,
        ..Wanted::default()
    };
    let user = users::start(&stand.stage, &stand.attach(), &["steps".to_owned()], wanted)?;
    // Two connections: the destroy is on its way while the stop is answered.
    let mut other = stand.control()?;
    control.must("POST", "/v1/sessions/steps/stop")?;
    let wait = json!({ "deadline_ms": 20_000 });
    let answer = other.must_with("POST", "/v1/sessions/steps/destroy_wait", &wait)?;
    let answered = sys::monotonic_ns();
    drop(user);
    let certificate: Certificate = serde_json::from_value(answer)?;
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
        samples.push(us(now - last)?);
        last = now;
    }
    times[STEPS.len()].push(us(answered.saturating_sub(last))?);
    Ok(())
}

fn us(ns: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(ns)?) / 1_000.0)
}
