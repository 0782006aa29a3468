//! Checks of the totals.

use std::collections::BTreeSet;

use onair_api::{Certificate, Memory, Operation};

use crate::check::{Check, Found, check, flaw};

pub(crate) fn checks(certificate: &Certificate) -> [Check; 3] {
    [
        check("frames", frames(certificate)),
        check("reconciled", reconciled(certificate)),
        check("evicted", evicted(certificate)),
    ]
}

fn frames(certificate: &Certificate) -> Found {
    let counts = &certificate.counts;
    let parts = [
        counts.frames_returned,
        counts.frames_reclaimed,
        counts.frames_reconciled,
        counts.frames_revoked,
    ];
    let loaned = counts.frames_lent;
    let sum = parts
        .iter()
        .try_fold(0_u64, |sum, part| sum.checked_add(*part));
    let is_settled = certificate.operation != Operation::Quarantine
        || matches!(certificate.memory, Memory::Returned { .. });
    match sum {
        Some(sum) if sum == loaned => Ok(format!("{loaned} lent, every one accounted for")),
        Some(sum) if sum < loaned && !is_settled => Ok(format!(
            "{loaned} lent, {} of them to clients in quarantine",
            loaned - sum
        )),
        _ => flaw(format!(
            "{loaned} lent, and {} returned + {} reclaimed + {} reconciled + {} revoked",
            parts[0], parts[1], parts[2], parts[3]
        )),
    }
}

/// Checks a list against its totals. A list shorter than its total was truncated: it has the first
/// entries.
fn list(frames: impl ExactSizeIterator<Item = u64>, entries: u64, total: u64) -> Found {
    let listed = frames.len() as u64;
    if listed != entries.min(Certificate::LISTED as u64) {
        return flaw(format!("{listed} listed of {entries}"));
    }
    let mut frames = frames;
    let sum = frames.try_fold(0_u64, u64::checked_add);
    let fits = |sum| {
        if listed == entries {
            sum == total
        } else {
            sum <= total
        }
    };
    match sum {
        Some(sum) if fits(sum) => Ok(format!("{listed} listed of {entries}")),
        _ => flaw(format!(
            "the list has {sum:?} frames, and the counts say {total}"
        )),
    }
}

fn reconciled(certificate: &Certificate) -> Found {
    let counts = &certificate.counts;
    if counts.attachments_at_stop > counts.attachments {
        return flaw(format!(
            "{} attachments at the stop, and {} ever",
            counts.attachments_at_stop, counts.attachments
        ));
    }
    let all = &certificate.reconciled;
    if let Some(nothing) = all.iter().find(|one| one.frames == 0 && one.slots == 0) {
        return flaw(format!(
            "of pid {} there was nothing to settle",
            nothing.pid
        ));
    }
    list(
        all.iter().map(|one| one.frames),
        counts.reconciliations,
        counts.frames_reconciled,
    )
}

fn evicted(certificate: &Certificate) -> Found {
    let counts = &certificate.counts;
    if counts.evictions > counts.attachments {
        return flaw(format!(
            "{} evicted, and {} ever attached",
            counts.evictions, counts.attachments
        ));
    }
    let all = &certificate.evicted;
    let mut numbers = BTreeSet::new();
    for one in all {
        if !numbers.insert(one.attachment) {
            return flaw(format!("attachment {} is there twice", one.attachment));
        }
        if one.frames_set_aside > one.frames_revoked {
            return flaw(format!(
                "of attachment {} {} frames are set aside, and {} were taken back",
                one.attachment, one.frames_set_aside, one.frames_revoked
            ));
        }
    }
    list(
        all.iter().map(|one| one.frames_revoked),
        counts.evictions,
        counts.frames_revoked,
    )
}
