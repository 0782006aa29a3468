//! Assignment of a stream's channels.

use std::fmt;

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
        let is_number = digits.bytes().all(|it| it.is_ascii_digit());
        let channels = digits
            .parse()
            .ok()
            .filter(|it| is_number && (1..=64).contains(it));
        channels.map(Self::Undefined)
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

    /// Of its text in SDP; `None` if it is no channel order.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_of_a_text_then_written_the_same() {
        for (text, channels) in [
            ("SMPTE2110.(51,ST)", Some(8)),
            ("SMPTE2110.(M,DM,LtRt,71,222,SGRP,AES3,U64)", Some(107)),
            ("OTHER.(x,y)", None),
        ] {
            let order = ChannelOrder::of(text).unwrap();
            assert_eq!(order.to_string(), text);
            assert_eq!(order.channels(), channels, "{text}");
        }
        for wrong in [
            "",
            "ST",
            "SMPTE2110.()",
            "SMPTE2110.(U00)",
            "SMPTE2110.(U+1)",
            "SMPTE2110.(ST",
        ] {
            assert_eq!(ChannelOrder::of(wrong), None, "{wrong}");
        }
    }
}
