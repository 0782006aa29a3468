//! A format of audio: what a sample is, how many make a packet, and how many a block.

use crate::STANDARD_MAX_UDP;
use crate::document::words::words;

use super::ChannelOrder;

/// Most bytes of samples in a packet of the standard UDP size limit: without the headers of UDP and RTP.
pub const PAYLOAD_BYTES: u32 = STANDARD_MAX_UDP as u32 - (8 + 12);

words! {
    /// How a sample is written, by its name in SDP. All are big-endian.
    #[derive(Default)]
    Coding {
        /// 16 bits of PCM.
        L16 "L16",
        /// 24 bits of PCM.
        #[default]
        L24 "L24",
        /// A subframe of AES3 in 32 bits (ST 2110-31).
        Am824 "AM824",
    }
}

impl Coding {
    /// Bytes of a sample.
    #[must_use]
    pub const fn bytes(self) -> u32 {
        match self {
            Self::L16 => 2,
            Self::L24 => 3,
            Self::Am824 => 4,
        }
    }
}

/// Why a format is invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AudioError {
    /// Not a sampling rate of ST 2110-30.
    #[error("{0} samples a second are not supported: give 44100, 48000 or 96000")]
    SampleRate(u32),
    /// AES3 has two channels in a signal.
    #[error("AM824 has two channels for each AES3 signal, so {0} is odd: give an even number")]
    OddChannels(u32),
    /// A packet time of less than a sample.
    #[error("a packet of {0} microseconds has no sample: give 1000, 125 or 80")]
    NoSample(u32),
    /// A packet above the size limit.
    #[error(
        "{channels} channels of {coding} make {bytes} bytes a packet, above {PAYLOAD_BYTES} (ST 2110-30 §7): give \
         fewer channels or a shorter packet time"
    )]
    PacketBytes {
        /// Channels.
        channels: u32,
        /// Coding of a sample.
        coding: Coding,
        /// Bytes of a packet's samples.
        bytes: u32,
    },
    /// A block that packets do not fill.
    #[error("{block} samples are no whole number of packets, which have {packet}: give {near}")]
    PartOfPacket {
        /// Samples of a block.
        block: u32,
        /// Samples of a packet.
        packet: u32,
        /// The next number that is.
        near: u32,
    },
    /// Groups with another number of channels.
    #[error("the groups have {groups} channels, but the session has {channels}")]
    Groups {
        /// Channels of the groups.
        groups: u32,
        /// Channels of the session.
        channels: u32,
    },
    /// No channel order.
    #[error("{0:?} is no channel order: write it as SMPTE2110.(51,ST)")]
    Order(String),
}

/// Coding, rate, channels, and the samples of packets and blocks. Always valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioFormat {
    pub(super) coding: Coding,
    pub(super) sample_rate: u32,
    pub(super) channels: u32,
    pub(super) packet_time_us: u32,
    pub(super) block_samples: u32,
    pub(super) order: Option<ChannelOrder>,
}

impl AudioFormat {
    /// Sampling rates in hertz.
    pub const SAMPLE_RATES: [u32; 3] = [44_100, 48_000, 96_000];
    /// Most channels.
    pub const MAX_CHANNELS: u32 = 64;
    /// Shortest and longest packet time in microseconds.
    pub const PACKET_TIMES_US: std::ops::RangeInclusive<u32> = 60..=10_000;

    /// Coding of a sample.
    #[must_use]
    pub const fn coding(&self) -> Coding {
        self.coding
    }

    /// Samples a second of each channel: the RTP clock.
    #[must_use]
    pub const fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Channels, 1 to 64.
    #[must_use]
    pub const fn channels(&self) -> u32 {
        self.channels
    }

    /// Assignment of the channels, if the sender says it.
    #[must_use]
    pub const fn order(&self) -> Option<&ChannelOrder> {
        self.order.as_ref()
    }

    /// Packet time in microseconds, as SDP has it: rounded to what [`Self::packet_samples`] say.
    #[must_use]
    pub const fn packet_time_us(&self) -> u32 {
        self.packet_time_us
    }

    /// Samples of each channel in a packet.
    #[must_use]
    pub fn packet_samples(&self) -> u32 {
        packet_samples(self.sample_rate, self.packet_time_us)
    }

    /// Samples of each channel in a packet of this time at this rate.
    #[must_use]
    pub fn samples_in(sample_rate: u32, packet_time_us: u32) -> u32 {
        packet_samples(sample_rate, packet_time_us)
    }

    /// Samples of a packet whose sender took the packet time of 48 kHz for one of 44.1 kHz: 44 for 48. `None`: as many.
    #[must_use]
    pub fn other_packet_samples(&self) -> Option<u32> {
        let own = self.packet_samples();
        let mut named = NAMED.iter().filter(|_| self.sample_rate == SLOW_RATE);
        let (us, _) = named.find(|it| it.1 == own)?;
        Some(nearest_samples(SLOW_RATE, *us)).filter(|it| *it != own)
    }

    /// Samples of each channel in a block.
    #[must_use]
    pub const fn block_samples(&self) -> u32 {
        self.block_samples
    }

    /// Packets of a block.
    #[must_use]
    pub fn block_packets(&self) -> u32 {
        self.block_samples / self.packet_samples()
    }

    /// Bytes of one sample of all channels.
    #[must_use]
    pub const fn sample_bytes(&self) -> usize {
        (self.coding.bytes() * self.channels) as usize
    }

    /// Bytes of a packet's samples.
    #[must_use]
    pub fn packet_bytes(&self) -> usize {
        self.packet_samples() as usize * self.sample_bytes()
    }

    /// Bytes of a block.
    #[must_use]
    pub const fn block_bytes(&self) -> usize {
        self.block_samples as usize * self.sample_bytes()
    }

    /// The time of `samples` samples in nanoseconds, rounded down.
    #[must_use]
    pub fn nanos(&self, samples: u64) -> u64 {
        nanos(self.sample_rate, samples)
    }

    /// The conformance level of ST 2110-30 §7 that a receiver needs; `None` if the format is of none.
    #[must_use]
    pub fn level(&self) -> Option<&'static str> {
        if self.coding == Coding::Am824 {
            return None;
        }
        match (self.sample_rate, self.packet_samples(), self.channels) {
            (48_000, 48, ..=8) => Some("A"),
            (48_000, 6, ..=8) => Some("B"),
            (48_000, 6, _) => Some("C"),
            (96_000, 96, ..=4) => Some("AX"),
            (96_000, 12, ..=8) => Some("BX"),
            (96_000, 12, ..=32) => Some("CX"),
            _ => None,
        }
    }
}

/// The rate at which packets have as many samples as at 48 kHz, and are named by the time that these take there or here
/// (AES67 §7.2, ST 2110-31 §6.1).
const SLOW_RATE: u32 = 44_100;
/// Packet times at 48 kHz in microseconds, as SDP rounds them, and the samples of each.
const NAMED: [(u32, u32); 8] = [
    (80, 4),
    (83, 4),
    (120, 6),
    (125, 6),
    (250, 12),
    (333, 16),
    (1_000, 48),
    (4_000, 192),
];

/// Samples of a packet: the nearest whole number, because SDP rounds the time (AES67 §7.2).
pub(super) fn packet_samples(sample_rate: u32, packet_time_us: u32) -> u32 {
    let named = NAMED.iter().find(|it| it.0 == packet_time_us);
    match named.filter(|_| sample_rate == SLOW_RATE) {
        Some((_, samples)) => *samples,
        None => nearest_samples(sample_rate, packet_time_us),
    }
}

fn nearest_samples(sample_rate: u32, packet_time_us: u32) -> u32 {
    let samples = (u64::from(sample_rate) * u64::from(packet_time_us) + 500_000) / 1_000_000;
    u32::try_from(samples).unwrap_or(u32::MAX)
}

/// A packet time as SDP has it: at 44.1 kHz that of its samples there, 1.09 ms for 48.
pub(super) fn named_time(sample_rate: u32, packet_time_us: u32) -> u32 {
    let samples = packet_samples(sample_rate, packet_time_us);
    let is_named = sample_rate == SLOW_RATE && NAMED.iter().any(|it| it.1 == samples);
    match is_named {
        true => (samples * 100_000 + sample_rate / 2) / sample_rate * 10,
        false => packet_time_us,
    }
}

/// The time of so many samples in nanoseconds, rounded down.
pub(super) fn nanos(sample_rate: u32, samples: u64) -> u64 {
    let ns = u128::from(samples) * 1_000_000_000 / u128::from(sample_rate.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}
