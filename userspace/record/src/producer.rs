//! The end that the data plane has: it never blocks, allocates or enters the kernel.

use std::sync::Arc;

use onair_mutant::mutant;

use crate::books::{Counts, ProducerTotals, add};
use crate::event::Missed;
use crate::gate::{Door, Gate, Visit};
use crate::ring::RingWriter;

/// Hands events of one source to a recording. It belongs to one thread at a time and may be moved;
/// when it is dropped, what it has handed in is still recorded.
#[derive(Debug)]
pub struct Producer {
    gate: Arc<Gate>,
    account: Arc<ProducerTotals>,
    ring: RingWriter,
    snap_length: usize,
    /// Not accepted since the last event that was.
    missed: Missed,
}

impl Producer {
    pub(crate) fn new(
        gate: Arc<Gate>,
        account: Arc<ProducerTotals>,
        ring: RingWriter,
        snap_length: usize,
    ) -> Self {
        Self {
            gate,
            account,
            ring,
            snap_length,
            missed: Missed::default(),
        }
    }

    /// Its name, as it stands in the files and in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.account.name
    }

    /// Hands in a packet of `wire_len` bytes that was there at `at_unix_ns` (nanoseconds since 1970,
    /// UTC), of which the first bytes are `bytes`: more than the snap length is cut off. `true` if
    /// it was accepted: then it will be in a file, or counted as lost with the reason. `false` if
    /// not: that is counted, too.
    #[inline]
    pub fn offer(&mut self, at_unix_ns: u64, wire_len: u32, bytes: &[u8]) -> bool {
        self.offer_parts(at_unix_ns, wire_len, bytes, &[])
    }

    /// [`Self::offer`] of a packet whose bytes are those of `head` and, behind them, `payload`.
    #[inline]
    pub fn offer_parts(
        &mut self,
        at_unix_ns: u64,
        wire_len: u32,
        head: &[u8],
        payload: &[u8],
    ) -> bool {
        let tally = &self.account.tally;
        let _visit = Visit::begin(&self.account.visit, &self.gate);
        match mutant!("recorder: takes no event", Door::Closed, self.gate.door()) {
            Door::Open => {
                let head = &head[..head.len().min(self.snap_length)];
                let payload = &payload[..payload.len().min(self.snap_length - head.len())];
                let parts = (head, payload);
                if self.ring.push(at_unix_ns, wire_len, &self.missed, parts) {
                    self.missed = Missed::default();
                    add(&tally.accepted, 1);
                    return true;
                }
                self.missed.ring_full += 1;
                add(&tally.ring_full, 1);
            }
            Door::DiskFull => {
                self.missed.disk_full += 1;
                add(&tally.disk_full, 1);
            }
            Door::DiskFault => {
                self.missed.disk_fault += 1;
                add(&tally.disk_fault, 1);
            }
            Door::Closed => add(&tally.not_accepting, 1),
        }
        false
    }

    /// Whether an event would be taken in now if there was place in the ring: one load.
    #[inline]
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.gate.door() == Door::Open
    }

    /// Its books.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.account.counts()
    }
}
