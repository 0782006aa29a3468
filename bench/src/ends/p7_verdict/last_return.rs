//! The last caller that a stop wakes, by its own clock and by the daemon's: when it had returned, and when the
//! daemon knew.

use anyhow::{Context as _, Result};
use onair_api::StepName;
use onair_stage::{Deadline, Rig, receive};

use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros};
use crate::rig::TINY;
use crate::run::Run;

const CALLERS: [u32; 2] = [8, 100];

pub(super) fn rows(rig: &Rig, run: &Run) -> Result<Vec<Row>> {
    let rounds = run.either(30, 12);
    let mut rows = vec![];
    for callers in CALLERS {
        run.case(format!("last of {callers} callers"), rounds);
        let (mut returned, mut noticed) = (Samples::default(), Samples::default());
        for _ in 0..rounds {
            let last = one(rig, callers)?;
            returned.push(last.returned_us);
            noticed.push(last.noticed_us);
            run.step();
        }
        let variant = format!("{callers} blocked: stop → last caller returned, by its own clock");
        rows.push(
            Row::of("P7", variant, "µs", &returned)
                .beside("the daemon knows: last user left", &returned, &noticed)
                .pinned("none; the poller on the last core")
                .part(),
        );
    }
    Ok(rows)
}

/// From the stop until the last caller had returned, by its own clock and by the daemon's.
struct LastReturn {
    returned_us: f64,
    noticed_us: f64,
}

fn one(rig: &Rig, callers: u32) -> Result<LastReturn> {
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
    let requested = at(StepName::StopRequested)?;
    let since = |ns: u64| micros(ns.saturating_sub(requested));
    Ok(LastReturn {
        returned_us: since(returned),
        noticed_us: since(at(StepName::LastUserLeft)?),
    })
}
