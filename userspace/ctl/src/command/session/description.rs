//! A session's format and flow from an SDP file.

use std::net::SocketAddr;
use std::path::Path;

use onair_api::DescriptionNote;
use onair_sdp::{DescribedRate, Media, ReferenceClock, SessionDescription, Stream};
use serde_json::{Value, json};

use crate::args::essence::{self, Fields};
use crate::args::jpeg_xs;
use crate::failure::Failure;

/// A rate where none is known yet. [`Described::lacks_rate`] says so.
const NO_RATE: &str = "25";

/// What a description says of a session.
#[derive(Debug)]
pub(crate) struct Described {
    /// The format in the specification.
    pub(crate) format: Fields,
    /// `flow` of the specification.
    pub(crate) flow: Value,
    /// The addresses of its second leg (ST 2022-7).
    pub(crate) second: Option<Value>,
    /// Lines of both.
    line: usize,
    second_line: usize,
    /// It has another leg, which is not used: a note says why.
    pub(crate) leaves_a_leg: bool,
    /// The frame rate is not described. The one in `format` is made up.
    pub(crate) lacks_rate: bool,
    /// The bandwidth in kbit/s, of which the bytes of a codestream follow, with the rate.
    bandwidth: Option<u64>,
    /// Its title (`i=`), or its name in groups, if that is not of one leg.
    pub(crate) title: Option<String>,
    /// What is read and not carried.
    pub(crate) notes: Vec<DescriptionNote>,
}

/// A description, and its name for messages.
pub(crate) struct File<'a> {
    pub(crate) path: &'a Path,
    pub(crate) bytes: &'a [u8],
}

impl File<'_> {
    fn fail(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::Input(format!("{}: {error}", self.path.display()))
    }

    /// The description, and the lines of the media whose frame rate it does not say.
    fn read(&self) -> Result<(SessionDescription, Vec<usize>), Failure> {
        let read = SessionDescription::read(self.bytes);
        let mut description = read.map_err(|error| self.fail(&error))?;
        let rate = DescribedRate::of_text(NO_RATE).expect("a rate");
        let media = description.media.iter_mut();
        let lacking = media.filter_map(|it| it.essence.set_missing_rate(rate).then_some(it.line));
        let lacking = lacking.collect();
        Ok((description, lacking))
    }

    /// The only stream that a session can carry, or that of a number. A receive session accepts its sources only.
    pub(crate) fn one(&self, number: Option<usize>, receives: bool) -> Result<Described, Failure> {
        self.chosen(number, receives, "name one with --media")
    }

    /// As [`Self::one`]. `hint`: what to do about several.
    fn chosen(
        &self,
        number: Option<usize>,
        receives: bool,
        hint: &str,
    ) -> Result<Described, Failure> {
        let (description, lacking) = self.read()?;
        let stream = description.chosen(number).map_err(|error| {
            let hint = match error.lists_streams() {
                true => format!(": {hint}"),
                false => String::new(),
            };
            self.fail(&format!("{error}{hint}"))
        })?;
        Ok(Described::new(stream, &lacking, receives))
    }

    /// Each stream.
    pub(crate) fn all(&self, receives: bool) -> Result<Vec<Described>, Failure> {
        self.each(receives)?.into_iter().collect()
    }

    /// Each stream, or why a session cannot carry it.
    fn each(&self, receives: bool) -> Result<Vec<Result<Described, Failure>>, Failure> {
        let (description, lacking) = self.read()?;
        let streams = description.streams().map_err(|error| self.fail(&error))?;
        let streams = streams.into_iter().map(|stream| {
            let stream = stream.map_err(|error| self.fail(&error))?;
            Ok(Described::new(stream, &lacking, receives))
        });
        Ok(streams.collect())
    }

    /// How many streams it has.
    pub(crate) fn count(&self) -> Result<usize, Failure> {
        Ok(self.each(true)?.len())
    }

    /// The only stream of the essence of `own`, a session's format; else as [`Self::one`].
    pub(crate) fn like(&self, own: &Fields, receives: bool) -> Result<Described, Failure> {
        let mut all: Vec<_> = self.each(receives)?.into_iter().flatten().collect();
        all.retain(|it| it.format.keys().all(|essence| own.contains_key(essence)));
        let mut described = match <[Described; 1]>::try_from(all) {
            Ok([one]) => one,
            Err(_) => self.chosen(None, receives, "leave only the wanted one in it")?,
        };
        if described.lacks_rate {
            for (essence, format) in &mut described.format {
                let rate = own.get(essence).and_then(|it| it.get("frame_rate"));
                format["frame_rate"] = rate.cloned().unwrap_or_else(|| json!(NO_RATE));
            }
        }
        Ok(described)
    }
}

impl Described {
    fn new(stream: Stream<'_>, lacking: &[usize], receives: bool) -> Self {
        let media = stream.media;
        let mut flow = addresses(media, receives);
        flow["payload_type"] = json!(media.payload_type);
        flow["media_clock_offset"] = json!(media.described_offset());
        if let Some(ttl) = media.ttl {
            flow["ttl"] = json!(ttl);
        }
        if let (Some(clock), true) = (&media.reference_clock, receives) {
            // Another one is noted.
            if !matches!(clock, ReferenceClock::Other(_)) {
                flow["reference_clock"] = json!(clock.to_string());
            }
        }
        let second = stream.second.map(|leg| {
            let mut second = addresses(leg, receives);
            if leg.payload_type != media.payload_type {
                second["payload_type"] = json!(leg.payload_type);
            }
            second
        });
        let mid = media.mid.clone().filter(|_| stream.second.is_none());
        let mut described = Self {
            format: essence::fields(&stream.carried),
            flow,
            second,
            line: media.line,
            second_line: stream.second.map_or(1, |it| it.line),
            leaves_a_leg: stream.leaves_a_leg,
            lacks_rate: lacking.contains(&media.line),
            bandwidth: media.bandwidth,
            title: media.title.clone().or(mid),
            notes: stream.notes.into_vec(),
        };
        if described.lacks_rate {
            let reason = "missing: given beside the description, or measured";
            let note = DescriptionNote::new(media.line, "exactframerate", None, reason);
            described.notes.insert(0, note);
            described.notes.truncate(onair_api::MAX_NOTES);
        }
        described
    }

    /// Leaves the second leg out, and notes that. Whether there is one.
    pub(crate) fn leave_second(&mut self) -> bool {
        let Some(second) = self.second.take() else {
            return false;
        };
        let to = second["destination"].as_str();
        let reason = "a second leg: not used, no port is given for it";
        let note = DescriptionNote::new(self.second_line, "m", to, reason);
        self.notes.push(note);
        self.notes.truncate(onair_api::MAX_NOTES);
        true
    }

    /// Notes that there is no second leg for this port, if there is none and no note says why.
    pub(crate) fn note_one_leg(&mut self, port: &str) {
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
    pub(crate) fn set_rate(&mut self, of: &str, rate: &str) -> Result<(), String> {
        let (lacks_rate, bandwidth) = (self.lacks_rate, self.bandwidth);
        let mut formats = self.format.iter_mut().filter(|(essence, _)| {
            let is_ancillary = essence.as_str() == "ancillary";
            essence.as_str() != "audio" && is_ancillary == (of == "ancillary")
        });
        let Some((_, format)) = formats.next() else {
            let found: Vec<_> = self.format.keys().map(String::as_str).collect();
            let found = found.join(", ");
            return Err(format!(
                "a frame rate is given, but the description is of {found}"
            ));
        };
        let own = format["frame_rate"].as_str().unwrap_or_default();
        let exact = |text: &str| {
            let rate = DescribedRate::of_text(text)?;
            Some((u64::from(rate.numerator()), u64::from(rate.denominator())))
        };
        let is_same = match (exact(own), exact(rate)) {
            (Some(own), Some(rate)) => own.0 * rate.1 == rate.0 * own.1,
            _ => own == rate,
        };
        if !lacks_rate && !is_same {
            return Err(format!(
                "the rate {rate} is given, but the description has {own}: leave the flag out"
            ));
        }
        if !lacks_rate {
            return Ok(());
        }
        // A session has no decimals: 59.94 is 60000/1001, as in a description.
        let exact = DescribedRate::of_text(rate).map(|it| it.to_string());
        let rate = exact.unwrap_or_else(|| rate.to_owned());
        if let Some(bytes) = bandwidth.and_then(|kbps| jpeg_xs::bytes_within(format, kbps, &rate)) {
            format["bytes"] = json!(bytes);
        }
        format["frame_rate"] = json!(rate);
        self.lacks_rate = false;
        Ok(())
    }
}

/// Destination of a stream, and the sources of a receive session.
fn addresses(media: &Media, receives: bool) -> Value {
    let destination = SocketAddr::new(media.destination, media.port).to_string();
    let mut flow = json!({ "destination": destination });
    match media.sources[..] {
        [source] if receives => flow["source"] = json!(source.to_string()),
        [_, _, ..] if receives => {
            let sources = media.sources.iter().map(ToString::to_string);
            flow["sources"] = json!(sources.collect::<Vec<_>>());
        }
        _ => {}
    }
    flow
}
