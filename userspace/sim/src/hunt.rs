//! Looks for lives that fail, and for the shortest plan with which one still fails.

use onair_ipc::sys::heap_bytes;

use crate::life::{Report, live};
use crate::plan::Plan;

const FAILED: &str = include_str!("../failed.seeds");

/// The seeds that have failed before.
pub fn failed_seeds() -> impl Iterator<Item = u64> {
    let lines = FAILED.lines().filter_map(|line| line.split('#').next());
    lines.filter_map(|line| line.trim().parse().ok())
}

/// A life that fails.
#[derive(Clone, Debug)]
pub struct Found {
    /// Its seed.
    pub seed: u64,
    /// Deeds that it does not need to fail, by their place in the plan.
    pub without: Vec<usize>,
    /// What happened, shortened.
    pub report: Report,
}

/// The life of `seed` without some of its deeds.
#[must_use]
pub fn without(seed: u64, left_out: &[usize]) -> Plan {
    let mut plan = Plan::new(seed);
    let deeds = std::mem::take(&mut plan.deeds).into_iter().enumerate();
    let kept = deeds.filter(|(at, _)| !left_out.contains(at));
    plan.deeds = kept.map(|(_, deed)| deed).collect();
    plan
}

/// Lives some lives thrice. Returns by how much the heap grew after the first time, in bytes.
#[must_use]
pub fn leaked() -> u64 {
    let all = || (0..8).for_each(|seed| drop(live(&Plan::new(seed), false)));
    all();
    let before = heap_bytes();
    all();
    all();
    heap_bytes().saturating_sub(before)
}

/// Lives the life of `seed`. If it fails, returns the shortest plan that does, or its own if `shortens`
/// is false.
#[must_use]
pub fn hunt(seed: u64, shortens: bool) -> (Report, Option<Found>) {
    let plan = Plan::new(seed);
    let report = live(&plan, false);
    if report.violations.is_empty() {
        return (report, None);
    }
    let mut left_out = Vec::new();
    for at in (0..plan.deeds.len()).rev().filter(|_| shortens) {
        left_out.push(at);
        if live(&without(seed, &left_out), false).violations.is_empty() {
            left_out.pop();
        }
    }
    let found = Found {
        seed,
        report: live(&without(seed, &left_out), true),
        without: left_out,
    };
    (report, Some(found))
}
