//! The data plane's end of a recording: never blocks, allocates or enters the kernel.
//!
//! A producer puts events into its ring if the door is open. Files do not belong here.

pub(crate) mod gate;
pub(crate) mod ring;

use std::sync::Arc;
use std::thread;

use onair_mutant::mutant;

use crate::producer::gate::{Door, ProducerGate, Visit};
use crate::producer::ring::{RingReader, RingWriter, ring};
use crate::totals::{Counts, ProducerTotals, add};

/// Most captured bytes of a packet: pcapng readers accept this without an option.
pub const MAX_SNAP_LENGTH: u32 = 262_144;
/// Most bytes of one [`PacketReader::read`]: afterwards the producer has their room again.
const STRETCH: usize = 256 << 10;

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

/// Events of a producer that were not recorded between an event and its predecessor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) ring_full: u64,
    pub(crate) disk_full: u64,
    pub(crate) disk_fault: u64,
}

impl Missed {
    pub(crate) const fn total(&self) -> u64 {
        self.ring_full + self.disk_full + self.disk_fault
    }
}

/// An event read from a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Time of the offer, nanoseconds since 1970 (UTC).
    pub(crate) at_ns: u64,
    /// Length of the packet on the wire, bytes.
    pub(crate) wire_len: u32,
    /// Events missing before it.
    pub(crate) missed: Missed,
    /// Captured bytes, at most `wire_len` and at most the snap length.
    pub(crate) bytes: &'a [u8],
}

/// Reads the packets of one [`Producer`]. After its drop the producer takes no more.
#[derive(Debug)]
pub struct PacketReader {
    gate: Arc<ProducerGate>,
    ring: RingReader,
}

impl PacketReader {
    /// A producer called `name` with a ring of `ring_bytes`, and its reader.
    #[must_use]
    pub fn new(name: &str, ring_bytes: usize) -> (Producer, Self) {
        let gate = Arc::new(ProducerGate::new());
        let (writer, ring) = ring(ring_bytes);
        let totals = Arc::new(ProducerTotals::new(name));
        let snap_length = usize::try_from(MAX_SNAP_LENGTH).unwrap_or(usize::MAX);
        let producer = Producer::new(Arc::clone(&gate), totals, writer, snap_length);
        (producer, Self { gate, ring })
    }

    /// Passes waiting packets, the oldest first, with the time of their offer (nanoseconds since 1970,
    /// UTC). Returns whether there were any. Does not wait.
    pub fn read(&mut self, mut take: impl FnMut(u64, &[u8])) -> bool {
        let read = self.ring.read(STRETCH, |event| {
            take(event.at_ns, event.bytes);
            true
        });
        read > 0
    }

    /// Waits for packets, as long as the ring has room for those that come meanwhile.
    pub fn rest(&self) {
        thread::park_timeout(self.ring.longest_sleep());
    }

    /// Whether the producer is gone: what waits is the last.
    #[must_use]
    pub fn is_abandoned(&self) -> bool {
        self.ring.is_abandoned()
    }
}

impl Drop for PacketReader {
    fn drop(&mut self) {
        self.gate.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_offered_then_read_in_order_until_an_end_is_gone() {
        let (mut producer, mut reader) = PacketReader::new("p", 64 << 10);
        for at in 0..3 {
            assert!(producer.offer(at, 100, &[7; 100]));
        }
        let mut times = Vec::new();
        while reader.read(|at, bytes| {
            assert_eq!(bytes, [7; 100]);
            times.push(at);
        }) {}
        assert_eq!(times, [0, 1, 2]);
        assert!(!reader.is_abandoned());

        let full = (0..1000).find(|at| !producer.offer(*at, 100, &[7; 100]));
        assert!(full.is_some(), "more than the ring has room for");
        drop(reader);
        assert!(!producer.offer(9, 100, &[7; 100]));
        assert_eq!(producer.counts().dropped.not_accepting, 1);

        let (producer, reader) = PacketReader::new("p", 64 << 10);
        drop(producer);
        assert!(reader.is_abandoned());
    }
}
