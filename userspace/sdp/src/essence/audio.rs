//! Audio: PCM of ST 2110-30 (AES67), and AES3 of ST 2110-31.

use std::fmt;

use crate::error::SdpError;
use crate::fmtp::{Parameters, Written};

/// Bits of a PCM sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PcmDepth {
    /// 16 bits: `L16`.
    L16,
    /// 24 bits: `L24`.
    L24,
}

/// PCM audio.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Audio {
    /// Bits of a sample.
    pub depth: PcmDepth,
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// Channels, 1 or more.
    pub channels: u16,
    /// Duration of a packet in µs.
    pub packet_time_us: Option<u32>,
    /// What the channels are.
    pub order: Option<ChannelOrder>,
}

/// AES3 subframes (`AM824`).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aes3 {
    /// Samples per second of one channel.
    pub sample_rate: u32,
    /// Channels: two for each AES3 signal.
    pub channels: u16,
    /// Duration of a packet in µs.
    pub packet_time_us: Option<u32>,
    /// What the channels are.
    pub order: Option<ChannelOrder>,
}

/// `channel-order` (ST 2110-30 §6.2.2).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChannelOrder {
    /// The convention: `SMPTE2110`.
    pub convention: String,
    /// Groups of channels, in order.
    pub groups: Vec<ChannelGroup>,
}

/// A group of channels.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ChannelGroup {
    /// Mono.
    Mono,
    /// Dual mono.
    DualMono,
    /// Stereo.
    Stereo,
    /// Matrix stereo: left total, right total.
    MatrixStereo,
    /// 5.1.
    Surround51,
    /// 7.1.
    Surround71,
    /// 22.2.
    Surround222,
    /// One SDI audio group.
    SdiGroup,
    /// One AES3 signal.
    Aes3,
    /// So many channels, undefined: 1 to 64.
    Undefined(u8),
    /// A symbol of another convention.
    Other(String),
}

impl ChannelGroup {
    const NAMED: [(Self, &'static str); 9] = [
        (Self::Mono, "M"),
        (Self::DualMono, "DM"),
        (Self::Stereo, "ST"),
        (Self::MatrixStereo, "LtRt"),
        (Self::Surround51, "51"),
        (Self::Surround71, "71"),
        (Self::Surround222, "222"),
        (Self::SdiGroup, "SGRP"),
        (Self::Aes3, "AES3"),
    ];

    /// Channels in the group; `None` if the symbol is of another convention.
    #[must_use]
    pub const fn channels(&self) -> Option<u16> {
        Some(match self {
            Self::Mono => 1,
            Self::DualMono | Self::Stereo | Self::MatrixStereo | Self::Aes3 => 2,
            Self::Surround51 => 6,
            Self::Surround71 => 8,
            Self::Surround222 => 24,
            Self::SdiGroup => 4,
            Self::Undefined(channels) => *channels as u16,
            Self::Other(_) => return None,
        })
    }

    fn parse(symbol: &str) -> Option<Self> {
        if let Some((group, _)) = Self::NAMED.iter().find(|(_, name)| *name == symbol) {
            return Some(group.clone());
        }
        let digits = symbol.strip_prefix('U').filter(|it| it.len() == 2)?;
        let channels = crate::rate::whole(digits)?;
        let channels = u8::try_from(channels).ok()?;
        (1..=64)
            .contains(&channels)
            .then_some(Self::Undefined(channels))
    }
}

impl fmt::Display for ChannelGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined(channels) => write!(f, "U{channels:02}"),
            Self::Other(symbol) => f.write_str(symbol),
            named => {
                let name = Self::NAMED.iter().find(|(group, _)| group == named);
                f.write_str(name.map_or("", |(_, name)| name))
            }
        }
    }
}

impl ChannelOrder {
    const SMPTE: &'static str = "SMPTE2110";

    pub(crate) fn parse(all: &Parameters<'_>) -> Result<Option<Self>, SdpError> {
        all.read("channel-order", Self::of, "one such as SMPTE2110.(51,ST)")
    }

    fn of(text: &str) -> Option<Self> {
        let (convention, list) = text.split_once('.')?;
        let list = list.strip_prefix('(')?.strip_suffix(')')?;
        let is_word = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_graphic());
        let is_smpte = convention == Self::SMPTE;
        let group = |symbol: &str| {
            let symbol = symbol.trim();
            if !is_word(symbol) || symbol.contains(['(', ')']) {
                return None;
            }
            if is_smpte {
                return ChannelGroup::parse(symbol);
            }
            Some(ChannelGroup::Other(symbol.to_owned()))
        };
        is_word(convention).then_some(())?;
        Some(Self {
            convention: convention.to_owned(),
            groups: list.split(',').map(group).collect::<Option<_>>()?,
        })
    }

    pub(crate) fn write(order: Option<&Self>) -> String {
        let mut out = Written::default();
        out.maybe("channel-order", order);
        out.finish().trim_end_matches("; ").to_owned()
    }

    /// Channels of all groups; `None` if a symbol is of another convention.
    #[must_use]
    pub fn channels(&self) -> Option<u16> {
        self.groups.iter().map(ChannelGroup::channels).sum()
    }
}

impl fmt::Display for ChannelOrder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let groups: Vec<_> = self.groups.iter().map(ToString::to_string).collect();
        write!(f, "{}.({})", self.convention, groups.join(","))
    }
}

/// Milliseconds as `ptime` has them, in µs: `1`, `1.000`, `0.125`, `.125`. `0.12` is 125 µs, which
/// senders truncate.
pub(crate) fn packet_time(text: &str) -> Option<u32> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let ms: u32 = match whole {
        "" => 0,
        whole => whole.parse().ok()?,
    };
    let micros: String = fraction.chars().chain("000".chars()).take(3).collect();
    let us = ms.checked_mul(1000)?.checked_add(micros.parse().ok()?)?;
    match us {
        0 => None,
        120 => Some(125),
        us => Some(us),
    }
}

/// µs as `ptime` has them, in ms.
pub(crate) fn shown_time(us: u32) -> String {
    let text = format!("{}.{:03}", us / 1000, us % 1000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
