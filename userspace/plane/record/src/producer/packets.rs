//! A producer without files: one reader takes its packets.

use std::sync::Arc;
use std::thread;

use crate::producer::Producer;
use crate::producer::event::MAX_SNAP_LENGTH;
use crate::producer::gate::ProducerGate;
use crate::producer::ring::{RingReader, ring};
use crate::totals::ProducerTotals;

/// Most bytes of one [`PacketReader::read`]: afterwards the producer has their room again.
const STRETCH: usize = 256 << 10;

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
