//! Clocks: RFC 7273, ST 2110-10 §8.

use std::fmt;

/// `ts-refclk`: the clock behind the timestamps.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceClock {
    /// A PTP grandmaster.
    Ptp {
        /// Version of the protocol, such as `IEEE1588-2008`.
        version: String,
        /// Identity of the grandmaster.
        grandmaster: [u8; 8],
        /// PTP domain.
        domain: Option<u8>,
    },
    /// Any grandmaster that is traceable to TAI.
    PtpTraceable {
        /// Version of the protocol.
        version: String,
    },
    /// The sender's own clock, named by its Ethernet address.
    LocalMac([u8; 6]),
    /// Another source, such as `ntp=…`.
    Other(String),
}

/// `mediaclk`: how timestamps follow from the reference clock.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum MediaClock {
    /// Timestamps are the reference clock's, plus an offset.
    Direct {
        /// Offset in ticks; 0 in ST 2110.
        offset: u64,
        /// Ticks per second, if not the RTP clock's.
        rate: Option<u32>,
    },
    /// The sender's own clock.
    Sender,
    /// Another source.
    Other(String),
}

/// Bytes in hex, with `-`, as RFC 7273 writes them, or with blanks between them.
fn bytes<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut all = [0; N];
    let mut parts = text.split(['-', ' ']);
    for byte in &mut all {
        let part = parts.next().filter(|it| it.len() == 2)?;
        let is_hex = part.bytes().all(|it| it.is_ascii_hexdigit());
        *byte = is_hex.then(|| u8::from_str_radix(part, 16).ok())??;
    }
    parts.next().is_none().then_some(all)
}

/// The text behind a word, in capitals or not: the words of RFC 7273's grammar are of RFC 5234.
fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let (start, rest) = text.split_at_checked(word.len())?;
    start.eq_ignore_ascii_case(word).then_some(rest)
}

fn hex(bytes: &[u8]) -> String {
    let all: Vec<_> = bytes.iter().map(|it| format!("{it:02X}")).collect();
    all.join("-")
}

impl ReferenceClock {
    /// Reads the clocks of RFC 7273 and ST 2110-10 §8.2; the rest is [`Self::Other`].
    #[must_use]
    pub fn of(text: &str) -> Self {
        Self::known(text).unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    fn known(text: &str) -> Option<Self> {
        if let Some(mac) = after(text, "localmac=") {
            return bytes(mac).map(Self::LocalMac);
        }
        let mut parts = after(text, "ptp=")?.split(':');
        let version = parts.next().filter(|it| is_word(it))?.to_owned();
        let grandmaster = parts.next()?;
        if grandmaster.eq_ignore_ascii_case("traceable") {
            let is_all = parts.next().is_none();
            return is_all.then_some(Self::PtpTraceable { version });
        }
        let domain = match parts.next() {
            Some(domain) => {
                let number = after(domain, "domain-nmbr=").unwrap_or(domain);
                Some(u8::try_from(crate::rate::whole(number)?).ok()?)
            }
            None => None,
        };
        let grandmaster = bytes(grandmaster)?;
        parts.next().is_none().then_some(Self::Ptp {
            version,
            grandmaster,
            domain,
        })
    }
}

/// Whether a text is a token, which nothing has to be escaped in.
fn is_word(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|it| it.is_ascii_graphic())
}

impl fmt::Display for ReferenceClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ptp {
                version,
                grandmaster,
                domain,
            } => {
                write!(f, "ptp={version}:{}", hex(grandmaster))?;
                domain.map_or(Ok(()), |domain| write!(f, ":{domain}"))
            }
            Self::PtpTraceable { version } => write!(f, "ptp={version}:traceable"),
            Self::LocalMac(mac) => write!(f, "localmac={}", hex(mac)),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl MediaClock {
    /// Reads the clocks of ST 2110-10 §8.3; the rest is [`Self::Other`].
    pub(crate) fn parse(text: &str) -> Self {
        Self::known(text).unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    fn known(text: &str) -> Option<Self> {
        // RFC 7273 §5: an identity of the clock may stand before.
        let text = match after(text, "id=") {
            Some(rest) => rest.split_once(' ')?.1.trim_start(),
            None => text,
        };
        if text.eq_ignore_ascii_case("sender") {
            return Some(Self::Sender);
        }
        let direct = after(text, "direct=")?;
        let (offset, rest) = direct.split_once(' ').unwrap_or((direct, ""));
        let is_whole = !offset.is_empty() && offset.bytes().all(|it| it.is_ascii_digit());
        let offset = is_whole.then(|| offset.parse().ok())??;
        let rate = match rest.trim() {
            "" => None,
            rest => {
                let rate = after(rest, "rate=")?;
                Some(crate::rate::whole(rate.strip_suffix("/1").unwrap_or(rate))?)
            }
        };
        Some(Self::Direct { offset, rate })
    }
}

impl fmt::Display for MediaClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct { offset, rate } => {
                write!(f, "direct={offset}")?;
                rate.map_or(Ok(()), |rate| write!(f, " rate={rate}"))
            }
            Self::Sender => f.write_str("sender"),
            Self::Other(text) => f.write_str(text),
        }
    }
}
