//! The data plane's end of a recording: never blocks, allocates or enters the kernel.
//!
//! A producer puts events into its ring if the door is open. Files do not belong here.

pub(crate) mod event;
pub(crate) mod gate;
pub(crate) mod packets;
pub(crate) mod ring;

use std::sync::Arc;

use onair_mutant::mutant;

use crate::producer::event::Missed;
use crate::producer::gate::{Door, ProducerGate, Visit};
use crate::producer::ring::RingWriter;
use crate::totals::{Counts, ProducerTotals, add};

/// Offers one source's events to a recording. One thread at a time owns it; it may move. After its
/// drop, its events are still recorded.
#[derive(Debug)]
pub struct Producer {
    gate: Arc<ProducerGate>,
    totals: Arc<ProducerTotals>,
    ring: RingWriter,
    snap_length: usize,
    /// Events not accepted since the last accepted one.
    missed: Missed,
}

impl Producer {
    pub(crate) fn new(
        gate: Arc<ProducerGate>,
        totals: Arc<ProducerTotals>,
        ring: RingWriter,
        snap_length: usize,
    ) -> Self {
        Self {
            gate,
            totals,
            ring,
            snap_length,
            missed: Missed::default(),
        }
    }

    /// Name in the files and in the manifest.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.totals.name
    }

    /// Offers a packet of `wire_len` bytes, received at `at_unix_ns` (nanoseconds since 1970, UTC).
    /// `bytes` are its first bytes, truncated to the snap length. `true`: accepted, it will be in a
    /// file or counted as lost with the reason. `false`: not accepted, and counted.
    #[inline]
    pub fn offer(&mut self, at_unix_ns: u64, wire_len: u32, bytes: &[u8]) -> bool {
        self.offer_parts(at_unix_ns, wire_len, bytes, &[])
    }

    /// [`Self::offer`] of a packet whose bytes are `head` followed by `payload`.
    #[inline]
    pub fn offer_parts(
        &mut self,
        at_unix_ns: u64,
        wire_len: u32,
        head: &[u8],
        payload: &[u8],
    ) -> bool {
        let tally = &self.totals.tally;
        let _visit = Visit::begin(&self.totals.visit, &self.gate);
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

    /// Whether an event would be accepted now if the ring had room. One load.
    #[inline]
    #[must_use]
    pub fn is_accepting(&self) -> bool {
        self.gate.door() == Door::Open
    }

    /// Its counts.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.totals.counts()
    }
}
