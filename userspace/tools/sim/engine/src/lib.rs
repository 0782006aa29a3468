//! Lives of the engine: the daemon's actor on a simulated machine, with sessions of all kinds, operators and clients of
//! several users, and what may go wrong around them. A seed is a life, the same to the byte each time.
//!
//! The core's own lives (`onair-sim`) have real callers, whose every step is a choice. Here the unit is a request, an
//! event or a step of the clock, and what is driven is all of the engine: sessions and groups, clients, recordings,
//! shares, certificates, persistent sessions, the shutdown.
//!
//! | file or folder | noun |
//! |---|---|
//! | `plan`, `narrow` | who does what, and when |
//! | `air` | what comes over the network |
//! | `cast` | the sessions and the users |
//! | `stage` | what is so: the daemon, the clients, the open requests |
//! | `deeds` | what operators, clients and the world do |
//! | `oracle` | what must be so |
#![forbid(unsafe_code)]

mod air;
mod cast;
mod deeds;
mod narrow;
mod oracle;
mod plan;
mod stage;

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use crate::stage::Stage;

pub use self::plan::{EngineDeed, EngineDeedKind, EnginePlan};

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
