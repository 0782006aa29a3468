//! Configuration of a merge: its stream, and how many packets wait.

use super::class::Class;
use super::window::Window;
use crate::pace::TYPICAL_BYTES;
use crate::rtp::PayloadTypes;

/// Packets a second of a stream of small packets: 80 µs of audio, and some.
const SMALL_PACKETS: u64 = 16_000;
/// Most packets that wait: half of a minute of low rates, 150 ms of 4320p.
const MOST_PACKETS: u64 = 1 << 20;

/// Configuration of a merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MergeConfig {
    /// RTP payload type of each leg.
    pub payload_types: PayloadTypes,
    /// Frequency of the RTP clock in hertz.
    pub clock_hz: u32,
    /// Bytes of the stream's units in a second.
    pub bytes_per_second: u64,
    /// Nanoseconds from one timestamp of the stream to the next.
    pub period_ns: u64,
    /// Packets of the stream in a second, about: no more can be lost.
    pub packets_a_second: u64,
    /// Bytes of the largest RTP packet of either leg, header included.
    pub packet_bytes: usize,
    /// How far apart the legs may be.
    pub class: Class,
    /// After this many nanoseconds without a packet, a leg is not waited for, and a stream is followed by
    /// another.
    pub silence_ns: u64,
}

impl MergeConfig {
    /// Most memory of its [`super::Merge`] in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        Window::memory_bytes(self.packets(), self.packet_bytes)
    }

    pub(super) const fn wait_ns(&self) -> u64 {
        self.class.differential_ns(self.bytes_per_second)
    }

    /// Packets of the stream's units in a second.
    pub(super) const fn rate(&self) -> u64 {
        self.bytes_per_second / TYPICAL_BYTES
    }

    /// Packets that can wait.
    pub(super) fn packets(&self) -> usize {
        let a_second = self.rate() + SMALL_PACKETS;
        let packets = a_second.saturating_mul(self.wait_ns()) / 1_000_000_000;
        // Senders do not spread packets evenly.
        let packets = (packets + packets / 4).clamp(64, MOST_PACKETS);
        usize::try_from(packets).expect("at most MOST_PACKETS")
    }
}
