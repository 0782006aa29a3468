//! Looks for lives that fail, and for the shortest plan with which one still fails.

use std::fmt::Debug;

use onair_ipc::sys::heap_bytes;
use onair_sim_engine::{self as engine, EnginePlan, EngineReport};

use crate::disk::{self, DiskPlan};
use crate::life::{self, Report};
use crate::plan::Plan;
use crate::wire::{self, WirePlan};

/// Kind of a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The session core with its callers.
    Core,
    /// The state directory on a disk, with the daemon's deaths.
    Disk,
    /// The engine: the daemon's actor on a simulated machine.
    Engine,
    /// A session's packets, among those of a stranger.
    Wire,
}

/// The seeds that have failed before.
pub fn failed_seeds(kind: Kind) -> impl Iterator<Item = u64> {
    let text = match kind {
        Kind::Core => include_str!("../failed.seeds"),
        Kind::Disk => include_str!("../failed-disk.seeds"),
        Kind::Engine => include_str!("../failed-engine.seeds"),
        Kind::Wire => include_str!("../failed-wire.seeds"),
    };
    let lines = text.lines().filter_map(|line| line.split('#').next());
    lines.filter_map(|line| line.trim().parse().ok())
}

/// A life that fails.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its kind.
    pub kind: Kind,
    /// Its seed.
    pub seed: u64,
    /// Deeds that it does not need to fail, by their place in the plan.
    pub without: Vec<usize>,
    /// Report of the life, shortened.
    pub report: Report,
}

/// Lives the life of `seed` without some of its deeds. Returns its plan, as text, and how it went.
#[must_use]
pub fn replay(kind: Kind, seed: u64, left_out: &[usize], is_traced: bool) -> (String, Report) {
    match kind {
        Kind::Core => {
            let mut plan = Plan::new(seed);
            leave_out(&mut plan.deeds, left_out);
            told(&plan, life::live(&plan, is_traced))
        }
        Kind::Disk => {
            let mut plan = DiskPlan::new(seed);
            leave_out(&mut plan.deeds, left_out);
            told(&plan, disk::live(&plan, is_traced))
        }
        Kind::Engine => {
            let mut plan = EnginePlan::new(seed);
            leave_out(&mut plan.deeds, left_out);
            told(&plan, of_engine(engine::live(&plan, is_traced)))
        }
        Kind::Wire => {
            let mut plan = WirePlan::new(seed);
            leave_out(&mut plan.deeds, left_out);
            told(&plan, wire::live(&plan, is_traced))
        }
    }
}

fn told(plan: &impl Debug, report: Report) -> (String, Report) {
    // Only the caller that has it traced reads it.
    let text = if report.trace.is_empty() {
        String::new()
    } else {
        format!("{plan:#?}")
    };
    (text, report)
}

fn of_engine(report: EngineReport) -> Report {
    Report {
        events: report.events,
        violations: report.violations,
        trace: report.trace,
        ns: report.ns,
        ..Report::default()
    }
}

fn leave_out<T>(deeds: &mut Vec<T>, left_out: &[usize]) {
    let mut at = 0;
    deeds.retain(|_| {
        at += 1;
        !left_out.contains(&(at - 1))
    });
}

/// Lives some lives thrice. Returns by how much the heap grew after the first time, in bytes.
#[must_use]
pub fn leaked() -> u64 {
    let all = || (0..8).for_each(|seed| drop(life::live(&Plan::new(seed), false)));
    all();
    let before = heap_bytes();
    all();
    all();
    heap_bytes().saturating_sub(before)
}

/// Lives the life of `seed`. If it fails, returns the shortest plan that does, or its own if `shortens`
/// is false.
#[must_use]
pub fn hunt(kind: Kind, seed: u64, shortens: bool) -> (Report, Option<Found>) {
    let (_, report) = replay(kind, seed, &[], false);
    if report.violations.is_empty() {
        return (report, None);
    }
    let deeds = match kind {
        Kind::Core => Plan::new(seed).deeds.len(),
        Kind::Disk => DiskPlan::new(seed).deeds.len(),
        Kind::Engine => EnginePlan::new(seed).deeds.len(),
        Kind::Wire => WirePlan::new(seed).deeds.len(),
    };
    let mut without = Vec::new();
    for at in (0..deeds).rev().filter(|_| shortens) {
        without.push(at);
        if replay(kind, seed, &without, false).1.violations.is_empty() {
            without.pop();
        }
    }
    let found = Found {
        kind,
        seed,
        report: replay(kind, seed, &without, true).1,
        without,
    };
    (report, Some(found))
}
