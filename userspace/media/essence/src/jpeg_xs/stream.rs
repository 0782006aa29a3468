//! A format of JPEG XS and how its packets are sent.

use super::rfc9134::{self, PacketMode};
use crate::document::words::words;
use crate::rtp;
use crate::video::{Appearance, Depth, Field, FrameRate, Sampling, SenderType};

/// Bytes before a payload's part of the codestream: IPv4, UDP, RTP, RFC 9134.
const OVERHEAD: u64 = 20 + 8 + rtp::HEADER_BYTES as u64 + rfc9134::HEADER_BYTES as u64;

words! {
    /// The version of ST 2110-22 that a sender follows.
    CompressedStandard {
        /// ST 2110-22:2019.
        Y2019 "2019",
        /// ST 2110-22:2022.
        Y2022 "2022",
    }
}

/// A format of JPEG XS and how its packets are sent.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct JpegXsStream {
    /// Pixels of a line.
    pub width: u32,
    /// Lines of a frame, of both fields together.
    pub height: u32,
    /// Colour components.
    pub sampling: Sampling,
    /// Bits of a sample.
    pub depth: Depth,
    /// Two fields a frame, each a unit.
    pub interlaced: bool,
    /// Frames a second.
    pub rate: FrameRate,
    /// Most bytes of a unit. A sender's units have so many.
    pub bytes: u32,
    /// Content of a run of packets.
    pub mode: PacketMode,
    /// The slices of a unit are sent in order (`transmode=1`).
    pub in_order: bool,
    /// Name of the profile in SDP.
    pub profile: Option<String>,
    /// Name of the level in SDP.
    pub level: Option<String>,
    /// Name of the sublevel in SDP.
    pub sublevel: Option<String>,
    /// Largest UDP datagram that a sender makes, UDP header included.
    pub max_udp: u16,
    /// How packets are spread, or what the sender says of that (`TP`).
    pub sender_type: Option<SenderType>,
    /// Most packets that the network model may hold (`CMAX`).
    pub cmax: Option<u32>,
    /// Appearance of the pictures as the sender declares it.
    pub appearance: Appearance,
    /// The version of the standard that the sender names (`SSN`).
    pub standard: Option<CompressedStandard>,
}

impl JpegXsStream {
    /// Units a second.
    #[must_use]
    pub const fn unit_rate(&self) -> FrameRate {
        if self.interlaced {
            self.rate.doubled()
        } else {
            self.rate
        }
    }

    /// The field of the unit with this number, counted from the first field of a frame.
    #[must_use]
    pub const fn field_of(&self, number: u64) -> Option<Field> {
        match (self.interlaced, number % 2) {
            (false, _) => None,
            (true, 0) => Some(Field::First),
            (true, _) => Some(Field::Second),
        }
    }

    /// Lines of a unit.
    #[must_use]
    pub const fn lines(&self, field: Option<Field>) -> u32 {
        match field {
            None => self.height,
            Some(Field::First) => self.height.div_ceil(2),
            Some(Field::Second) => self.height / 2,
        }
    }

    /// Bytes of the codestream that a packet has.
    #[must_use]
    pub fn packet_bytes(&self) -> u32 {
        let most = u64::from(self.max_udp) + 20 - OVERHEAD;
        u32::try_from(most).expect("at most 8960")
    }

    /// Bit rate of a sender in kbit/s with the headers of IPv4, UDP and RTP, rounded up: `b=AS` in SDP (RFC 8866 §5.8).
    #[must_use]
    pub fn bandwidth_kbps(&self) -> u64 {
        let packets = self.bytes.div_ceil(self.packet_bytes());
        let bytes = u64::from(self.bytes) + u64::from(packets) * OVERHEAD;
        let rate = self.unit_rate();
        let bits = u128::from(bytes) * 8 * u128::from(rate.numerator());
        let kbps = bits.div_ceil(1_000 * u128::from(rate.denominator()));
        u64::try_from(kbps).unwrap_or(u64::MAX)
    }

    /// The lowest bandwidth in kbit/s of which [`Self::bytes_within`] makes the bytes of a unit, or more.
    #[must_use]
    pub fn described_kbps(&self) -> u64 {
        let rate = self.unit_rate();
        let bits = u64::from(self.bytes) * 8 * u64::from(rate.numerator());
        let kbps = (bits / (1_000 * u64::from(rate.denominator()))).saturating_sub(1);
        kbps + u64::from(Self::bytes_within(kbps, rate) < self.bytes.into())
    }

    /// The most bytes of a sender's unit of which the packets, with the headers that [`Self::bandwidth_kbps`] counts, stay
    /// within this bandwidth.
    #[must_use]
    pub fn bytes_sent_within(&self, kbps: u64) -> u64 {
        let rate = self.unit_rate();
        let bits = u128::from(kbps) * 1_000 * u128::from(rate.denominator());
        let bytes = bits / (8 * u128::from(rate.numerator()));
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let packets = bytes.div_ceil(u64::from(self.packet_bytes()) + OVERHEAD);
        bytes.saturating_sub(packets * OVERHEAD)
    }

    /// The most bytes that a unit can have in a stream of this bandwidth, with or without the headers of packets: a
    /// description may have it rounded.
    #[must_use]
    pub fn bytes_within(kbps: u64, units: FrameRate) -> u64 {
        let bits = (u128::from(kbps) + 1) * 1_000 * u128::from(units.denominator());
        let bytes = bits.div_ceil(8 * u128::from(units.numerator()));
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
