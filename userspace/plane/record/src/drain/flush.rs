//! A flush: every event accepted before it is in a file, as the counts prove.

use std::sync::Arc;
use std::time::Instant;

use crate::shared::FlushedEvents;

use super::Drain;

/// Counts when the drain thread saw the flush.
pub(super) struct Snapshot {
    accepted: Vec<u64>,
    in_rings: u64,
}

impl Drain {
    /// Accepted events, and bytes in the rings.
    pub(super) fn snapshot(&self) -> Snapshot {
        Snapshot {
            accepted: self
                .files
                .producers()
                .iter()
                .map(|it| it.counts().accepted)
                .collect(),
            in_rings: self
                .rings
                .iter()
                .flatten()
                .map(|it| it.waiting() as u64)
                .sum(),
        }
    }

    /// Completes a flush if the counts prove it.
    pub(super) fn answer_flush(&mut self, number: u64, before: Snapshot, begun: Instant) {
        let shared = Arc::clone(&self.shared);
        if !shared.busy(|| self.files.pump(true)) {
            self.note_fault();
            return;
        }
        self.settled_at = Instant::now();
        let mut flushed = FlushedEvents {
            accepted: before.accepted.iter().sum(),
            in_rings: before.in_rings,
            written: 0,
            lost: 0,
            took: begun.elapsed(),
        };
        for (producer, totals) in self.files.producers().iter().enumerate() {
            let accepted = before.accepted.get(producer).copied().unwrap_or_default();
            let counts = totals.counts();
            let settled = counts.written + counts.lost.total();
            if totals.taken() < accepted || settled != totals.taken() {
                // Incomplete: the next turn tries again, until the requester's deadline.
                return;
            }
            flushed.written += counts.written;
            flushed.lost += counts.lost.total();
        }
        self.flushed = number;
        let mut progress = self.shared.progress();
        progress.flushed = number;
        progress.last_flush = Some(flushed);
        self.shared.changed.notify_all();
    }
}
