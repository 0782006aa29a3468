//! A session's format and flow from a description.

use std::net::SocketAddr;

use onair_api::{DescriptionNote, Direction, FlowDocument, FlowPatch, LegPatch, SessionPatch};
use onair_essence::jpeg_xs::JpegXsStream;
use onair_essence::{EssenceKind, FormatDocument};

use super::same_format::{bytes_within, frame_rate, timing};
use super::{Unusable, changed_sources, one_or_several};
use crate::carried::streams::{NoneChosen, Stream};
use crate::clock::ReferenceClock;
use crate::description::{Media, SessionDescription};
use crate::error::SdpError;
use crate::rate::DescribedRate;

/// A rate where none is known yet. [`Described::lacks_rate`] says so.
const NO_RATE: &str = "25";

/// A session as a description has it.
#[derive(Debug)]
pub struct Described {
    /// The format.
    pub format: FormatDocument,
    /// Its first leg.
    pub flow: FlowDocument,
    /// Its second leg (ST 2022-7).
    pub second: Option<DescribedLeg>,
    /// Lines of both.
    line: usize,
    second_line: usize,
    /// It has another leg, which is not used: a note says why.
    pub leaves_a_leg: bool,
    /// The frame rate is not described. The one in `format` is made up.
    pub lacks_rate: bool,
    /// The bandwidth in kbit/s, of which the bytes of a codestream follow, with the rate.
    bandwidth: Option<u64>,
    receives: bool,
    /// Its title (`i=`), or its name in groups, if that is not of one leg.
    pub title: Option<String>,
    /// Parts that are read but not carried.
    pub notes: Vec<DescriptionNote>,
}

/// A description, and its name for messages.
#[derive(Clone, Copy, Debug)]
pub struct Text<'a> {
    /// For messages.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

impl Text<'_> {
    fn unread(&self, error: SdpError) -> Unusable {
        let name = self.name.to_owned();
        Unusable::Unread { name, error }
    }

    fn not_chosen(&self, error: NoneChosen, hint: &str) -> Unusable {
        let (name, hint, error) = (self.name.to_owned(), hint.to_owned(), Box::new(error));
        Unusable::NoneChosen { name, error, hint }
    }

    /// The description, and the lines of the media whose frame rate it does not say.
    fn read(&self) -> Result<(SessionDescription, Vec<usize>), Unusable> {
        let read = SessionDescription::read(self.bytes);
        let mut description = read.map_err(|error| self.unread(error))?;
        let rate = DescribedRate::of_text(NO_RATE).expect("a rate");
        let media = description.media.iter_mut();
        let lacking = media.filter_map(|it| it.essence.set_missing_rate(rate).then_some(it.line));
        let lacking = lacking.collect();
        Ok((description, lacking))
    }

    /// The only stream that a session can carry, or that of a number. A receive session accepts its sources only.
    pub fn one(&self, number: Option<usize>, receives: bool) -> Result<Described, Unusable> {
        self.chosen(number, receives, "name one with --media")
    }

    /// As [`Self::one`]. `hint`: what to do about several.
    fn chosen(
        &self,
        number: Option<usize>,
        receives: bool,
        hint: &str,
    ) -> Result<Described, Unusable> {
        let (description, lacking) = self.read()?;
        let stream = description.chosen(number).map_err(|error| {
            let hint = match error.lists_streams() {
                true => format!(": {hint}"),
                false => String::new(),
            };
            self.not_chosen(error, &hint)
        })?;
        Ok(Described::new(stream, &lacking, receives))
    }

    /// Each stream.
    pub fn all(&self, receives: bool) -> Result<Vec<Described>, Unusable> {
        self.each(receives)?.into_iter().collect()
    }

    /// Each stream, or why a session cannot carry it.
    fn each(&self, receives: bool) -> Result<Vec<Result<Described, Unusable>>, Unusable> {
        let (description, lacking) = self.read()?;
        let streams = description
            .streams()
            .map_err(|error| self.not_chosen(error, ""))?;
        let streams = streams.into_iter().map(|stream| {
            let stream = stream.map_err(|error| self.not_chosen(error, ""))?;
            Ok(Described::new(stream, &lacking, receives))
        });
        Ok(streams.collect())
    }

    /// How many streams it has.
    pub fn count(&self) -> Result<usize, Unusable> {
        Ok(self.each(true)?.len())
    }

    /// The only stream of the essence of `own`, a session's format; else as [`Self::one`].
    pub fn like(&self, own: &FormatDocument, receives: bool) -> Result<Described, Unusable> {
        let mut all: Vec<_> = self.each(receives)?.into_iter().flatten().collect();
        all.retain(|it| it.format.kind() == own.kind());
        let mut described = match <[Described; 1]>::try_from(all) {
            Ok([one]) => one,
            Err(_) => self.chosen(None, receives, "leave only the wanted one in it")?,
        };
        let own_rate = frame_rate(&mut own.clone()).cloned();
        if let Some((rate, own)) = frame_rate(&mut described.format).zip(own_rate)
            && described.lacks_rate
        {
            *rate = own;
            described.set_bytes();
        }
        Ok(described)
    }

    /// The change for a session of this direction, with two legs or one, that has its format. Of a receive session
    /// that is also what the sender says of its packets' timing, by which it is judged; a send session has its own.
    ///
    /// # Errors
    /// It has no stream of the format, or several.
    pub fn change(
        &self,
        (direction, has_two): (Direction, bool),
        format: &FormatDocument,
    ) -> Result<SessionPatch, Unusable> {
        let receives = direction == Direction::Receive;
        let described = self.like(format, receives)?;
        let timing = timing(self.name, &described.format, format)?;
        let flow = changed_flow(&described, receives, has_two);
        let rest = match receives {
            true => timing,
            false => SessionPatch::default(),
        };
        Ok(SessionPatch {
            flow,
            notes: Some(described.notes),
            ..rest
        })
    }
}

impl Described {
    /// The frame rate of a format that has one.
    #[must_use]
    pub fn frame_rate(&self) -> Option<String> {
        frame_rate(&mut self.format.clone()).cloned()
    }

    fn new(stream: Stream<'_>, lacking: &[usize], receives: bool) -> Self {
        let media = stream.media;
        let (source, sources) = one_or_several(sources_of(media, receives));
        // Another clock is noted.
        let known = |it: &&ReferenceClock| !matches!(it, ReferenceClock::Other(_)) && receives;
        let clock = media.reference_clock.as_ref().filter(known);
        let flow = FlowDocument {
            destination: destination(media),
            source,
            sources,
            ttl: media.ttl.map(u32::from),
            payload_type: Some(media.payload_type.into()),
            media_clock_offset: media.described_offset(),
            reference_clock: clock.map(ToString::to_string),
            ..FlowDocument::default()
        };
        let own_type = |leg: &Media| Some(leg.payload_type).filter(|it| *it != media.payload_type);
        let second = stream.second.map(|leg| DescribedLeg {
            destination: destination(leg),
            sources: sources_of(leg, receives),
            payload_type: own_type(leg).map(u32::from),
        });
        let mid = media.mid.clone().filter(|_| stream.second.is_none());
        let mut described = Self {
            format: stream.carried,
            flow,
            second,
            line: media.line,
            second_line: stream.second.map_or(1, |it| it.line),
            leaves_a_leg: stream.leaves_a_leg,
            lacks_rate: lacking.contains(&media.line),
            bandwidth: media.bandwidth,
            receives,
            title: media.title.clone().or(mid),
            notes: stream.notes.into_vec(),
        };
        if !receives {
            described.set_bytes();
        }
        if described.lacks_rate {
            let reason = "missing: given beside the description, or measured";
            let note = DescriptionNote::new(media.line, "exactframerate", None, reason);
            described.notes.insert(0, note);
            described.notes.truncate(onair_api::MAX_NOTES);
        }
        described
    }

    /// Leaves the second leg out, and notes that. Whether there is one.
    pub fn leave_second(&mut self) -> bool {
        let Some(second) = self.second.take() else {
            return false;
        };
        let to = Some(second.destination.as_str());
        let reason = "a second leg: not used, no port is given for it";
        let note = DescriptionNote::new(self.second_line, "m", to, reason);
        self.notes.push(note);
        self.notes.truncate(onair_api::MAX_NOTES);
        true
    }

    /// Notes that there is no second leg for this port, if there is none and no note says why.
    pub fn note_one_leg(&mut self, port: &str) {
        if self.second.is_none() && !self.leaves_a_leg {
            let reason = format!("one leg: nothing of it comes on port {port}");
            self.notes
                .push(DescriptionNote::new(self.line, "m", None, &reason));
            self.notes.truncate(onair_api::MAX_NOTES);
        }
    }

    /// The rate that the description lacks.
    ///
    /// # Errors
    /// It has another one, or none of this essence.
    pub fn set_rate(&mut self, of: EssenceKind, rate: &str) -> Result<(), String> {
        let kind = self.format.kind();
        let is_of = |it: EssenceKind| it == EssenceKind::Ancillary;
        let own = frame_rate(&mut self.format).filter(|_| is_of(kind) == is_of(of));
        let Some(own) = own else {
            let found = kind.name();
            return Err(format!(
                "a frame rate is given, but the description is of {found}"
            ));
        };
        let exact = |text: &str| {
            let rate = DescribedRate::of_text(text)?;
            Some((u64::from(rate.numerator()), u64::from(rate.denominator())))
        };
        let is_same = match (exact(own), exact(rate)) {
            (Some(own), Some(rate)) => own.0 * rate.1 == rate.0 * own.1,
            _ => own == rate,
        };
        if !self.lacks_rate {
            return match is_same {
                true => Ok(()),
                false => Err(format!(
                    "the rate {rate} is given, but the description has {own}: leave the flag out"
                )),
            };
        }
        // A session has no decimals: 59.94 is 60000/1001, as in a description.
        let exact = DescribedRate::of_text(rate).map(|it| it.to_string());
        *own = exact.unwrap_or_else(|| rate.to_owned());
        self.set_bytes();
        self.lacks_rate = false;
        Ok(())
    }

    /// The bytes of a codestream that follow of the bandwidth.
    fn set_bytes(&mut self) {
        if let (FormatDocument::JpegXs(format), Some(kbps)) = (&mut self.format, self.bandwidth)
            && let Some(bytes) = bytes_within(format, kbps, self.receives)
        {
            let own = std::mem::replace(&mut format.bytes, bytes);
            // Of a bandwidth that cannot be, a note says that the sublevel is taken.
            if JpegXsStream::try_from(&*format).is_err() {
                format.bytes = own;
            }
        }
    }
}

fn destination(media: &Media) -> String {
    SocketAddr::new(media.destination, media.port).to_string()
}

/// The sources of a receive session.
fn sources_of(media: &Media, receives: bool) -> Vec<String> {
    let sources = media.sources.iter().filter(|_| receives);
    sources.map(ToString::to_string).collect()
}

fn changed_flow(described: &Described, receives: bool, has_two: bool) -> FlowPatch {
    let sources = |sources| match receives {
        true => changed_sources(sources),
        false => (None, None),
    };
    let flow = described.flow.clone();
    let several = flow.sources.into_iter().flatten();
    let (source, several) = sources(flow.source.into_iter().chain(several).collect());
    let second = described.second.clone().filter(|_| has_two);
    let second = second.map(|leg| {
        let (source, several) = sources(leg.sources);
        LegPatch {
            destination: Some(leg.destination),
            source,
            sources: several,
            payload_type: Some(leg.payload_type),
        }
    });
    FlowPatch {
        destination: Some(flow.destination),
        source,
        sources: several,
        ttl: flow.ttl,
        dscp: None,
        payload_type: flow.payload_type,
        // Else the offset of the old sender stays.
        media_clock_offset: Some(flow.media_clock_offset.unwrap_or_default()),
        reference_clock: receives.then_some(flow.reference_clock),
        second_leg: second,
    }
}

/// Where the leg's packets go, and whose they are.
#[derive(Clone, Debug)]
pub struct DescribedLeg {
    /// `IPv4:port` or `[IPv6]:port`.
    pub destination: String,
    /// The only sources that send; none: any.
    pub sources: Vec<String>,
    /// Of its own.
    pub payload_type: Option<u32>,
}
