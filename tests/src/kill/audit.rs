//! A certificate against what the victims' own tallies say.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use onair_api::Certificate;
use onair_victim::Ran;

/// What each of the dead left behind was settled once, and every frame is accounted for. `dead` are
/// the session's victims; `put` is how many frames, at least and at most, its other clients gave
/// back.
pub fn audit(certificate: &Certificate, dead: &[(u32, Ran)], put: (u64, u64)) -> Result<()> {
    let counts = certificate.counts;
    ensure!(
        certificate.disagreements.is_empty(),
        "the witnesses contradicted each other: {:#?}",
        certificate.disagreements
    );
    let mut settled: BTreeMap<u32, u64> = BTreeMap::new();
    let mut entries = BTreeSet::new();
    for it in &certificate.reconciled {
        ensure!(
            entries.insert((it.pid, it.tid)),
            "process {} (thread {:?}) was settled twice: {:#?}",
            it.pid,
            it.tid,
            certificate.reconciled
        );
        *settled.entry(it.pid).or_default() += it.frames;
    }
    let listed: u64 = settled.values().sum();
    ensure!(
        listed == counts.frames_reconciled,
        "{listed} frames are listed as reconciled, and {} are counted",
        counts.frames_reconciled
    );
    let dead: BTreeMap<u32, Ran> = dead.iter().copied().collect();
    let mut given_back = put;
    for (pid, ran) in &dead {
        let (least, most) = ran.held;
        let frames = settled.remove(pid).unwrap_or_default();
        ensure!(
            (least..=most).contains(&frames),
            "process {pid} held {least} to {most} frames, and {frames} were settled"
        );
        given_back.0 += ran.put.0;
        given_back.1 += ran.put.1;
    }
    // A session of a victim's own has no tallies of others.
    ensure!(
        dead.is_empty() || settled.is_empty(),
        "settled for processes that were not victims: {settled:?}"
    );
    let sum = counts.frames_returned
        + counts.frames_reclaimed
        + counts.frames_reconciled
        + counts.frames_revoked;
    ensure!(
        counts.frames_lent == sum,
        "the counts do not balance: {counts:?}"
    );
    let (least, most) = given_back;
    ensure!(
        (least..=most).contains(&counts.frames_returned),
        "{least} to {most} frames were given back: {counts:?}"
    );
    Ok(())
}
