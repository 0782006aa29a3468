//! Where the packets of a merge go.

use crate::receive::{Depacketise, Run, Sink};
use crate::rtp::RtpHeader;

/// Receiver of a merge's packets.
pub trait Onward {
    /// Whether it refuses this packet: then that takes no number of the stream.
    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool;

    /// Gets packets, in order.
    fn pass(&mut self, packets: &[&[u8]]);
}

/// An essence's receiver with the memory of its units.
#[derive(Debug)]
pub struct Receiving<'a, D, K> {
    /// The receiver.
    pub receiver: &'a mut D,
    /// The memory.
    pub sink: &'a mut K,
    /// When the packets were received, in nanoseconds of a monotonic clock.
    pub now_ns: u64,
}

impl<D: Depacketise<K::Slot>, K: Sink> Onward for Receiving<'_, D, K> {
    #[inline]
    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool {
        self.receiver.refuses(rtp, payload)
    }

    #[inline]
    fn pass(&mut self, packets: &[&[u8]]) {
        let now_ns = self.now_ns;
        self.receiver.push(&Run { packets, now_ns }, self.sink);
    }
}
