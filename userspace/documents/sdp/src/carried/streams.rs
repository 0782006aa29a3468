//! The streams of a description: which media are legs of one, and what of them a session gets.

use onair_essence::FormatDocument;

use crate::carried::NotCarried;
use crate::description::{Essence, Media, SessionDescription, UnreadMedia};
use crate::error::{Notes, SdpError};

/// A stream that a session can carry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stream<'a> {
    /// The stream, or its first leg that is sent.
    pub media: &'a Media,
    /// Its format.
    pub carried: FormatDocument,
    /// Its second leg (ST 2022-7).
    pub second: Option<&'a Media>,
    /// It has a second leg that is not used. A note says why.
    pub leaves_a_leg: bool,
    /// Parts of it that are read but not carried.
    pub notes: Notes,
}

/// Why no stream can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoneChosen {
    /// No stream is of an essence that is carried.
    #[error(
        "{0} not carried: only video (raw/90000, jxsv/90000), audio (L16, L24, AM824) and ancillary data (smpte291/90000)"
    )]
    None(String),
    /// Several streams are, and they are not legs of one.
    #[error("it describes {} streams: {}", .0.len(), listed(.0))]
    Several(Vec<String>),
    /// It has fewer streams.
    #[error("it describes no stream {number}: {}", listed(.streams))]
    NoSuch {
        /// The stream that is wanted, from 1.
        number: usize,
        /// The streams that there are.
        streams: Vec<String>,
    },
    /// A medium cannot be read.
    #[error(transparent)]
    Unread(#[from] SdpError),
    /// A parameter of its format is not carried.
    #[error(transparent)]
    NotCarried(#[from] NotCarried),
}

impl NoneChosen {
    /// Whether it lists streams, of which one can be chosen.
    #[must_use]
    pub const fn lists_streams(&self) -> bool {
        matches!(self, Self::Several(_) | Self::NoSuch { .. })
    }
}

fn listed(streams: &[String]) -> String {
    let numbered = (1..).zip(streams.iter().take(LISTED));
    let mut all: Vec<_> = numbered
        .map(|(number, it)| format!("{number}, {it}"))
        .collect();
    if streams.len() > LISTED {
        all.push("and more".to_owned());
    }
    all.join("; ")
}

/// Most streams that an error lists.
const LISTED: usize = 16;

impl SessionDescription {
    /// Each stream that a session can carry, or why it cannot.
    ///
    /// # Errors
    /// [`NoneChosen::None`]: no medium is of an essence that is carried.
    pub fn streams(&self) -> Result<Vec<Result<Stream<'_>, NoneChosen>>, NoneChosen> {
        let mut shared = self.notes.clone();
        let known = |it: &&Media| !matches!(it.essence, Essence::Other { .. });
        let media: Vec<_> = self.media.iter().filter(known).collect();
        for other in self.media.iter().filter(|it| !known(it)) {
            shared.add(
                other.line,
                "m",
                Some(&other.essence.coding()),
                "not carried",
            );
        }
        // All are: then the sender may still begin, and a session waits for it.
        let none_is_sent = !media.iter().any(|it| it.is_active);
        let mut streams = Vec::new();
        let mut taken: Vec<&Media> = Vec::new();
        for &medium in &media {
            if taken.iter().any(|it| std::ptr::eq(*it, medium)) {
                continue;
            }
            // A medium of no group is compared with no other: else the time grows with the square of the media.
            let legs: Vec<_> = match self.is_pair(medium.mid.as_ref(), medium.mid.as_ref()) {
                true => media
                    .iter()
                    .copied()
                    .filter(|it| self.are_legs(medium, it))
                    .collect(),
                false => vec![medium],
            };
            taken.extend(&legs);
            match self.stream(&legs, none_is_sent, &shared) {
                Some(stream) => streams.push(stream),
                None => shared.add(medium.line, "inactive", None, "not sent: not used"),
            }
        }
        for unread in &self.unread {
            if media
                .iter()
                .any(|it| self.is_pair(it.mid.as_ref(), unread.mid.as_ref()))
            {
                continue;
            }
            let line = unread.error.line;
            if unread.is_off {
                let reason = format!("{}, not sent: not used", unread.off());
                shared.add(line, "m", Some("0"), &reason);
            } else if unread.is_of_another {
                let reason = "not carried: of another protocol than RTP";
                shared.add(line, "m", unread.mid.as_deref(), reason);
            } else {
                streams.push(Err(unread.error.clone().into()));
            }
        }
        if streams.is_empty() {
            let codings: Vec<_> = self
                .media
                .iter()
                .take(LISTED)
                .map(|it| it.essence.coding())
                .collect();
            let verb = if codings.len() == 1 { "is" } else { "are" };
            let found = match &codings[..] {
                [] => "a description without media is".to_owned(),
                codings => format!("{} {verb}", codings.join(", ")),
            };
            return Err(NoneChosen::None(found));
        }
        for stream in streams.iter_mut().flatten() {
            stream.notes.extend(&shared);
        }
        Ok(streams)
    }

    /// The only stream that a session can carry, or that of a number, from 1.
    ///
    /// # Errors
    /// [`NoneChosen`]: there is none, there are several, or its format is not carried.
    pub fn chosen(&self, number: Option<usize>) -> Result<Stream<'_>, NoneChosen> {
        let mut streams = self.streams()?;
        let shown = |streams: &[Result<Stream<'_>, NoneChosen>]| {
            let shown = streams.iter().map(|it| match it {
                Ok(stream) => stream.to_string(),
                Err(error) => error.to_string(),
            });
            shown.collect()
        };
        match number {
            None if streams.len() > 1 => Err(NoneChosen::Several(shown(&streams))),
            None => streams.remove(0),
            Some(number) if (1..=streams.len()).contains(&number) => streams.remove(number - 1),
            Some(number) => Err(NoneChosen::NoSuch {
                number,
                streams: shown(&streams),
            }),
        }
    }

    /// The stream of these legs; `None` if none of them is sent, and other streams are.
    fn stream<'a>(
        &self,
        legs: &[&'a Media],
        none_is_sent: bool,
        shared: &Notes,
    ) -> Option<Result<Stream<'a>, NoneChosen>> {
        let mut sent = legs
            .iter()
            .copied()
            .filter(|it| it.is_active || none_is_sent);
        let media = sent.next()?;
        let mut notes = Notes::default();
        let mut second = None;
        let mut leaves_a_leg = false;
        let mut leave = |line, value: &str, reason: &str, notes: &mut Notes| {
            leaves_a_leg = true;
            notes.add(line, "m", Some(value), reason);
        };
        if !media.is_active {
            let reason = "the sender does not send it now";
            notes.add(media.line, "inactive", None, reason);
        }
        notes.extend(&media.notes);
        for &leg in legs.iter().filter(|it| !std::ptr::eq(**it, media)) {
            let shown = leg.to_string();
            if !leg.is_active && !none_is_sent {
                leave(
                    leg.line,
                    &shown,
                    "a leg that is inactive: not used",
                    &mut notes,
                );
            } else if !leg.essence.is_as(&media.essence) {
                leave(
                    leg.line,
                    &shown,
                    "a leg of another format: not used",
                    &mut notes,
                );
            } else if second.is_some() {
                leave(leg.line, &shown, "a third leg: not used", &mut notes);
            } else {
                notes.extend(&leg.notes);
                for (name, is_same) in [
                    ("fmtp", leg.essence == media.essence),
                    ("mediaclk", leg.media_clock == media.media_clock),
                    ("c", leg.ttl == media.ttl),
                    ("ts-refclk", leg.reference_clock == media.reference_clock),
                ] {
                    let reason = "a leg that says otherwise than the first one, which is used";
                    if !is_same {
                        notes.add(leg.line, name, Some(&shown), reason);
                    }
                }
                second = Some(leg);
            }
        }
        for unread in &self.unread {
            if self.is_pair(media.mid.as_ref(), unread.mid.as_ref()) {
                let reason = match unread.is_off {
                    true => format!("a leg with {}, not sent: not used", unread.off()),
                    false => {
                        let SdpError {
                            parameter, fault, ..
                        } = &unread.error;
                        format!("a leg that is not used: {parameter}: {fault}")
                    }
                };
                let value = unread.mid.as_deref().unwrap_or_default();
                leave(unread.error.line, value, &reason, &mut notes);
            }
        }
        // What is cut out of a group is noted with it.
        leaves_a_leg |= second.is_none()
            && shared
                .iter()
                .any(|it| it.parameter == "group" && it.reason.starts_with("not used"));
        Some(match media.carried(&mut notes) {
            Some(Ok(carried)) => Ok(Stream {
                media,
                carried,
                second,
                leaves_a_leg,
                notes,
            }),
            Some(Err(error)) => Err(error.into()),
            None => return None,
        })
    }

    /// Whether two media are legs of one stream, or the same.
    fn are_legs(&self, one: &Media, other: &Media) -> bool {
        std::ptr::eq(one, other) || self.is_pair(one.mid.as_ref(), other.mid.as_ref())
    }

    fn is_pair(&self, one: Option<&String>, other: Option<&String>) -> bool {
        let (Some(one), Some(other)) = (one, other) else {
            return false;
        };
        let mut groups = self.duplicates.iter();
        groups.any(|mids| mids.contains(one) && mids.contains(other))
    }
}

impl UnreadMedia {
    /// The mark that disables a medium which is off.
    fn off(&self) -> &'static str {
        match self.error.parameter.as_str() {
            "c" => "no address",
            _ => "port 0",
        }
    }
}

/// For people: `video to 233.252.0.1:5004`.
impl std::fmt::Display for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to = std::net::SocketAddr::new(self.destination, self.port);
        write!(f, "{} to {to}", self.essence.coding())
    }
}

impl std::fmt::Display for Stream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let to = std::net::SocketAddr::new(self.media.destination, self.media.port);
        write!(f, "{} {} to {to}", self.carried.kind().name(), self.carried)
    }
}

impl Essence {
    /// Encoding and clock, as `rtpmap` has it, for people.
    pub(crate) fn coding(&self) -> String {
        match self {
            Self::Video(_) => "raw video".to_owned(),
            Self::Compressed(_) => "JPEG XS".to_owned(),
            Self::Audio(_) | Self::Aes3(_) => "audio".to_owned(),
            Self::Ancillary(_) => "ancillary data".to_owned(),
            Self::Other { kind, encoding, .. } if encoding.is_empty() => {
                format!("{kind} without a=rtpmap")
            }
            Self::Other { encoding, .. } => {
                let name = encoding.split('/').next().unwrap_or_default();
                match name.to_ascii_uppercase().as_str() {
                    "SMPTE2022-6" => format!("{encoding} (SDI in RTP, ST 2022-6)"),
                    _ => encoding.chars().take(40).collect(),
                }
            }
        }
    }

    /// Whether two legs carry the same stream: what one of them says beside that may differ.
    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Video(one), Self::Video(other)) => {
                let of = |it: &crate::DescribedVideo| {
                    (it.sampling, it.depth, it.width, it.height, it.rate, it.scan)
                };
                of(one) == of(other)
            }
            (Self::Compressed(one), Self::Compressed(other)) => {
                let of = |it: &crate::Compressed| {
                    let size = (it.width, it.height, it.rate, it.scan);
                    (size, it.sampling, it.depth, it.slices, it.in_order)
                };
                of(one) == of(other)
            }
            (Self::Audio(one), Self::Audio(other)) => {
                let of =
                    |it: &crate::Audio| (it.depth, it.sample_rate, it.channels, it.packet_time_us);
                of(one) == of(other)
            }
            (Self::Aes3(one), Self::Aes3(other)) => {
                let of = |it: &crate::Aes3| (it.sample_rate, it.channels, it.packet_time_us);
                of(one) == of(other)
            }
            (Self::Ancillary(one), Self::Ancillary(other)) => one.rate == other.rate,
            _ => false,
        }
    }

    /// Sets the frame rate of an essence that has one and whose description does not say it. Whether it was so.
    pub fn set_missing_rate(&mut self, rate: crate::DescribedRate) -> bool {
        let own = match self {
            Self::Video(video) => &mut video.rate,
            Self::Compressed(it) => &mut it.rate,
            Self::Ancillary(it) => &mut it.rate,
            Self::Audio(_) | Self::Aes3(_) | Self::Other { .. } => return false,
        };
        let is_missing = own.is_none();
        own.get_or_insert(rate);
        is_missing
    }
}
