//! Configuration of a merge: its stream, and how many packets wait.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::window::Window;
use crate::pace::TYPICAL_BYTES;
use crate::rtp::PayloadTypes;

/// Packets a second of a stream of small packets: 80 µs of audio, and some.
const SMALL_PACKETS: u64 = 16_000;
/// Most packets that wait: half of a minute of low rates, 150 ms of 4320p.
const MOST_PACKETS: u64 = 1 << 20;
/// Streams below this many bytes a second are of low rate: 270 Mb/s.
const LOW_RATE: u64 = 270_000_000 / 8;

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

/// Class of a receiver, by the largest difference of the paths' delays that it makes up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// 10 ms.
    #[default]
    A,
    /// 50 ms.
    B,
    /// 150 ms; 450 ms below 270 Mb/s.
    C,
    /// 150 µs.
    D,
}

impl Class {
    /// Largest difference of the paths' delays in nanoseconds, for a stream of so many bytes a second.
    #[must_use]
    pub const fn differential_ns(self, bytes_per_second: u64) -> u64 {
        match self {
            Self::A => 10_000_000,
            Self::B => 50_000_000,
            Self::C if bytes_per_second < LOW_RATE => 450_000_000,
            Self::C => 150_000_000,
            Self::D => 150_000,
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
            Self::C => "c",
            Self::D => "d",
        })
    }
}

/// A text that names no class.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a class of ST 2022-7: give a (10 ms), b (50 ms), c (150 ms) or d (0.15 ms)")]
pub struct UnknownClass(String);

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        let classes = [Self::A, Self::B, Self::C, Self::D];
        let named = classes
            .into_iter()
            .find(|it| it.to_string().eq_ignore_ascii_case(text));
        named.ok_or_else(|| UnknownClass(text.chars().take(20).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn class_from_its_name_then_its_differential() {
        let of = |text: &str, rate| text.parse::<Class>().unwrap().differential_ns(rate);
        let fast = 1_000_000_000 / 8;
        assert_eq!([of("a", fast), of("B", fast)], [10_000_000, 50_000_000]);
        assert_eq!([of("c", fast), of("c", 200)], [150_000_000, 450_000_000]);
        assert_eq!(of("D", fast), 150_000);
        assert!("e".parse::<Class>().is_err());
    }
}
