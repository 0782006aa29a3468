//! One life, from the first session to the last certificate.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::plan::EnginePlan;
use crate::stage::Stage;

/// How a life went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineReport {
    /// Deeds, answers and events.
    pub events: u64,
    /// Broken invariants.
    pub violations: Vec<String>,
    /// Events of the life, if it was to be traced.
    pub trace: Vec<String>,
    /// Virtual time, ns.
    pub ns: u64,
}

/// Lives the life of `plan`.
#[must_use]
pub fn live(plan: &EnginePlan, is_traced: bool) -> EngineReport {
    let mut stage = Stage::new(plan, is_traced);
    let mut report = EngineReport::default();
    let lived = catch_unwind(AssertUnwindSafe(|| act(&mut stage)));
    if let Err(panic) = lived {
        report
            .violations
            .push(format!("panic: {}", message(&*panic)));
    }
    report
        .violations
        .splice(0..0, std::mem::take(&mut stage.facts.violations));
    report.trace = std::mem::take(&mut stage.trace);
    report.events = stage.count;
    report.ns = u64::try_from(stage.life().world.passed().as_nanos()).unwrap_or(u64::MAX);
    report
}

fn act(stage: &mut Stage) {
    let plan = stage.plan.clone();
    for (at, deed) in plan.deeds.iter().enumerate() {
        stage.live(Duration::from_millis(deed.after));
        stage.act(at, *deed);
        if !stage.facts.violations.is_empty() {
            return;
        }
    }
    stage.check_end();
}

/// The message of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    let text = text.or_else(|| panic.downcast_ref::<&str>().map(|&it| it.to_owned()));
    text.unwrap_or_else(|| "without a message".into())
}
