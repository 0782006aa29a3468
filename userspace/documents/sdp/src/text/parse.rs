//! From text to values.

use super::addresses::{connection, is_to_nowhere, sources, unused};
use super::attributes::{Attribute, Attributes, attributes};
use super::coding::essence;
use super::lines::{Line, decode, lines};
use super::unread;
use crate::clock::{MediaClock, ReferenceClock};
use crate::description::{Essence, Media, Origin, SessionDescription, UnreadMedia};
use crate::error::{Fault, Notes, SdpError};
use crate::rate::whole;

/// Longest description, in bytes.
const MAX_BYTES: usize = 65_536;

impl SessionDescription {
    /// Parses the bytes of a description: UTF-8 or Latin-1, with or without a byte order mark.
    ///
    /// # Errors
    /// [`SdpError`]: the first fatal fault, with line and parameter.
    pub fn read(bytes: &[u8]) -> Result<Self, SdpError> {
        if bytes.len() > MAX_BYTES {
            return Err(SdpError::new(1, "text", Fault::TooLong(MAX_BYTES)));
        }
        // A character of Latin-1 has two bytes at most.
        Self::of_text(&decode(bytes))
    }

    /// Parses a description.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        Self::read(text.as_bytes())
    }

    fn of_text(text: &str) -> Result<Self, SdpError> {
        let mut notes = Notes::default();
        let lines = lines(text, &mut notes);
        let lines = only_one(&lines, &mut notes)?;
        let starts = (0..lines.len()).filter(|at| lines[*at].key == 'm');
        let starts: Vec<_> = starts.chain([lines.len()]).collect();
        let session = &lines[..starts[0]];
        let of_session = attributes(session);
        let mut media = Vec::new();
        let mut unread = Vec::new();
        for part in starts.windows(2).map(|it| &lines[it[0]..it[1]]) {
            match medium(part, session, &of_session) {
                Ok(medium) => media.push(medium),
                Err(fault) => unread.push(fault),
            }
        }
        if let (true, Some(first)) = (media.is_empty(), unread.first()) {
            return Err(first.error.clone());
        }
        let destinations: Vec<_> = media.iter().map(|it| it.destination).collect();
        unused(&of_session, &destinations, &mut notes);
        unread::of_session(session, &of_session, &mut notes);
        let everywhere = attributes(lines);
        for line in &everywhere[of_session.len()..] {
            if line.name.eq_ignore_ascii_case("group") {
                let reason = "belongs before the media: taken as if it stood there";
                notes.add(line.number, line.name, Some(line.value), reason);
            }
        }
        let duplicates = duplicates(&everywhere, &mut media, &unread, &mut notes);
        let value = |key| session.iter().find(|it| it.key == key);
        Ok(Self {
            origin: origin(value('o'), &mut notes),
            name: value('s').map_or_else(String::new, |it| it.value.clone()),
            info: value('i').map(|it| it.value.clone()),
            duplicates,
            media,
            unread,
            notes,
        })
    }
}

impl std::str::FromStr for SessionDescription {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        Self::parse(text)
    }
}

/// The lines of the first description in the text, without its `v=`.
fn only_one<'a>(lines: &'a [Line], notes: &mut Notes) -> Result<&'a [Line], SdpError> {
    let lines = match lines {
        [version, rest @ ..] if version.key == 'v' => {
            if version.value != "0" {
                return Err(SdpError::invalid(
                    version.number,
                    "v",
                    &version.value,
                    "v=0",
                ));
            }
            rest
        }
        lines if lines.iter().any(|it| it.key == 'm') => {
            notes.add(1, "v", None, "missing: read as v=0");
            lines
        }
        _ => return Err(SdpError::new(1, "v", Fault::Missing)),
    };
    match lines.iter().position(|it| it.key == 'v') {
        Some(at) => {
            let reason = "another description begins: not read";
            notes.add(lines[at].number, "v", Some(&lines[at].value), reason);
            Ok(&lines[..at])
        }
        None => Ok(lines),
    }
}

fn origin(line: Option<&Line>, notes: &mut Notes) -> Origin {
    let read = |text: &str| {
        let mut fields = text.split_ascii_whitespace();
        let user = fields.next()?.to_owned();
        let origin = Origin {
            user: (user != "-").then_some(user),
            session: fields.next()?.to_owned(),
            version: fields.next()?.parse().ok()?,
            address: fields.nth(2)?.to_owned(),
        };
        fields.next().is_none().then_some(origin)
    };
    let unknown = || Origin {
        user: None,
        session: "0".to_owned(),
        version: 0,
        address: "0.0.0.0".to_owned(),
    };
    let Some(line) = line else { return unknown() };
    read(&line.value).unwrap_or_else(|| {
        let reason = "not used: it is not USER SESSION VERSION IN IP4 ADDRESS";
        notes.add(line.number, "o", Some(&line.value), reason);
        unknown()
    })
}

/// One medium: its `m=` line and those that follow.
fn medium(
    lines: &[Line],
    session: &[Line],
    of_session: &[Attribute<'_>],
) -> Result<Media, UnreadMedia> {
    let own = attributes(lines);
    let mid = own.iter().find(|it| it.name.eq_ignore_ascii_case("mid"));
    let mid = mid.map(|it| it.value.to_owned());
    let all = Attributes {
        own,
        session: of_session,
        start: lines.first().map_or(1, |it| it.number),
    };
    let fields: Vec<_> = lines
        .first()
        .map_or("", |it| &it.value)
        .split_ascii_whitespace()
        .collect();
    read_medium(lines, session, &all, mid.clone()).map_err(|error| UnreadMedia {
        mid,
        is_off: fields.get(1) == Some(&"0") || is_to_nowhere(&error),
        is_of_another: fields.get(2).is_some_and(|it| {
            let mut parts = it.split('/');
            !parts.any(|part| part.eq_ignore_ascii_case("RTP"))
        }),
        error,
    })
}

fn read_medium(
    lines: &[Line],
    session: &[Line],
    all: &Attributes<'_>,
    mid: Option<String>,
) -> Result<Media, SdpError> {
    let mut notes = Notes::default();
    let first = |lines: &'_ [Line], key| lines.iter().position(|it| it.key == key);
    let text = lines.first().map_or("", |it| &it.value);
    let mut fields = text.split_ascii_whitespace();
    let (Some(kind), Some(port), Some(protocol), Some(payload_type)) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        let wanted = "a medium such as video 5004 RTP/AVP 96";
        return Err(SdpError::invalid(all.start, "m", text, wanted));
    };
    let port = udp_port(all.start, port)?;
    for other in fields {
        let reason = "not used: the first payload type is";
        notes.add(all.start, "m", Some(other), reason);
    }
    match protocol.to_ascii_uppercase().as_str() {
        "RTP/AVP" => {}
        "RTP/AVPF" => {
            let reason = "no feedback is sent: taken as RTP/AVP";
            notes.add(all.start, "m", Some(protocol), reason);
        }
        _ => return Err(SdpError::invalid(all.start, "m", protocol, "RTP/AVP")),
    }
    let number = whole(payload_type).and_then(|it| u8::try_from(it).ok());
    let is_of_rtp = |it: &u8| *it < 128 && !(72..=76).contains(it);
    let number = number.filter(is_of_rtp).ok_or_else(|| {
        let wanted = "a payload type from 0 to 127, without 72 to 76 of RTCP (RFC 3551 §6)";
        SdpError::invalid(all.start, "m", payload_type, wanted)
    })?;
    if number < 96 {
        let reason =
            "not of the dynamic payload types, 96 to 127 (ST 2110-10 §6.2): taken as it is";
        notes.add(all.start, "m", Some(payload_type), reason);
    }
    let at = first(lines, 'c').map(|at| &lines[at]);
    let at = at.or_else(|| first(session, 'c').map(|at| &session[at]));
    let at = at.ok_or_else(|| SdpError::new(all.start, "c", Fault::Missing))?;
    let (destination, ttl) = connection(at.number, &at.value, &mut notes)?;
    // RFC 7104 §4: copies in one medium, told apart by their SSRC.
    for copies in ["ssrc-group", "duplication-delay"] {
        if let Some(line) = all.all(copies).next() {
            let reason = "not used: legs are media of their own (a=group:DUP)";
            notes.add(line.number, line.name, Some(line.value), reason);
        }
    }
    for more in lines.iter().filter(|it| it.key == 'c').skip(1) {
        let reason = "not used: the first address is";
        notes.add(more.number, "c", Some(&more.value), reason);
    }
    let kind = kind.to_ascii_lowercase();
    let essence = essence(&kind, all, number, &mut notes)?;
    let sources = sources(all, destination, &mut notes);
    let title = first(lines, 'i').map(|at| lines[at].value.clone());
    let (reference_clock, media_clock) = clocks(all, &essence, &mut notes);
    unread::of_medium(lines, &all.own, &essence, &mut notes);
    Ok(Media {
        destination,
        port,
        ttl,
        payload_type: number,
        sources,
        bandwidth: bandwidth(lines, &mut notes),
        mid,
        title: title.filter(|it| !it.is_empty()),
        is_active: all.all("inactive").next().is_none(),
        reference_clock,
        media_clock,
        essence,
        line: all.start,
        notes,
    })
}

/// `5004`, or `5004/1`.
fn udp_port(line: usize, text: &str) -> Result<u16, SdpError> {
    let (port, count) = text.split_once('/').unwrap_or((text, "1"));
    if whole(count) != Some(1) {
        let wanted = "one port: several are not carried";
        return Err(SdpError::invalid(line, "m", text, wanted));
    }
    let port = whole(port).and_then(|it| u16::try_from(it).ok());
    let wanted = "a UDP port from 1 to 65535: 0 is a stream that is not sent";
    port.filter(|it| *it > 0)
        .ok_or_else(|| SdpError::invalid(line, "m", text, wanted))
}

/// `b=AS:KBITS`.
fn bandwidth(lines: &[Line], notes: &mut Notes) -> Option<u64> {
    let bandwidths = lines.iter().filter(|it| it.key == 'b');
    let mut of_type = bandwidths.filter_map(|it| Some((it, it.value.strip_prefix("AS:")?)));
    let (line, text) = of_type.next()?;
    let kbits = text.trim().parse().ok();
    if kbits.is_none() {
        let reason = "not used: it is no number of kilobits a second";
        notes.add(line.number, "b", Some(&line.value), reason);
    }
    kbits
}

fn clocks(
    all: &Attributes<'_>,
    essence: &Essence,
    notes: &mut Notes,
) -> (Option<ReferenceClock>, Option<MediaClock>) {
    // One sender may name several reference clocks (RFC 7273 §4.8): one that is known, if there is.
    let clocks = all.all("ts-refclk");
    let clocks: Vec<_> = clocks
        .map(|it| (it, ReferenceClock::of(it.value)))
        .collect();
    let known = clocks
        .iter()
        .find(|(_, it)| !matches!(it, ReferenceClock::Other(_)));
    let reference = known.or(clocks.first()).cloned();
    for (line, clock) in &clocks {
        if let Some((_, used)) = reference.as_ref().filter(|(_, used)| used != clock) {
            let reason = format!("not used: another reference clock is, {used}");
            notes.add(line.number, line.name, Some(line.value), &reason);
        }
    }
    if let Some((line, ReferenceClock::Other(_))) = &reference {
        let reason =
            "not used: no clock of ST 2110-10 §8.2, such as ptp=IEEE1588-2008:EUI64:DOMAIN";
        notes.add(line.number, line.name, Some(line.value), reason);
    }
    let line = all.find("mediaclk", notes);
    let clock = line.map(|it| MediaClock::parse(it.value));
    let reason = match &clock {
        Some(MediaClock::Other(_)) => Some("not used: neither direct=OFFSET nor sender"),
        Some(MediaClock::Sender) => Some("the sender's own clock: timestamps are judged as of TAI"),
        Some(MediaClock::Direct {
            rate: Some(rate), ..
        }) if *rate != clock_of(essence) => Some("the rate is not that of rtpmap: not used"),
        _ => None,
    };
    if let (Some(line), Some(reason)) = (line, reason) {
        notes.add(line.number, line.name, Some(line.value), reason);
    }
    (reference.map(|it| it.1), clock)
}

/// Ticks a second of the timestamps.
const fn clock_of(essence: &Essence) -> u32 {
    match essence {
        Essence::Audio(audio) => audio.sample_rate,
        Essence::Aes3(audio) => audio.sample_rate,
        _ => 90_000,
    }
}

/// `a=group:DUP MID MID` (RFC 7104), as far as its media are there.
fn duplicates(
    attributes: &[Attribute<'_>],
    media: &mut [Media],
    unread: &[UnreadMedia],
    notes: &mut Notes,
) -> Vec<Vec<String>> {
    let mut groups = Vec::new();
    for line in attributes
        .iter()
        .filter(|it| it.name.eq_ignore_ascii_case("group"))
    {
        let mut fields = line.value.split_ascii_whitespace();
        if !fields
            .next()
            .is_some_and(|it| it.eq_ignore_ascii_case("DUP"))
        {
            continue;
        }
        let mut mids: Vec<String> = Vec::new();
        for mid in fields {
            if !mids.iter().any(|it| it == mid) {
                mids.push(mid.to_owned());
            }
        }
        for mid in &mut mids {
            written_alike(mid, media, line, notes);
        }
        let is = |own: &Option<String>, mid: &String| own.as_ref() == Some(mid);
        let is_there = |mid: &String, media: &[Media]| {
            media.iter().any(|it| is(&it.mid, mid)) || unread.iter().any(|it| is(&it.mid, mid))
        };
        let absent: Vec<_> = mids
            .iter()
            .filter(|it| !is_there(it, media))
            .cloned()
            .collect();
        let nameless: Vec<_> = (0..media.len())
            .filter(|at| media[*at].mid.is_none())
            .collect();
        if !absent.is_empty() && absent.len() == nameless.len() {
            for (at, mid) in nameless.into_iter().zip(&absent) {
                media[at].mid = Some(mid.clone());
            }
            let reason = "no a=mid names its media: they are taken in their order";
            notes.add(line.number, line.name, Some(line.value), reason);
        } else {
            for mid in &absent {
                let reason = "not used: no a=mid gives a medium this name";
                notes.add(line.number, line.name, Some(mid), reason);
            }
            mids.retain(|mid| !absent.contains(mid));
        }
        if !mids.is_empty() {
            groups.push(mids);
        }
    }
    groups
}

/// A name that no medium has becomes that of the only one that has it in other capitals.
fn written_alike(mid: &mut String, media: &[Media], line: &Attribute<'_>, notes: &mut Notes) {
    let all = || media.iter().filter_map(|it| it.mid.as_ref());
    if all().any(|it| it == mid) {
        return;
    }
    let mut alike = all().filter(|it| it.eq_ignore_ascii_case(mid));
    if let (Some(one), None) = (alike.next(), alike.next()) {
        let reason = format!("a=mid writes it {one}: taken as that");
        notes.add(line.number, line.name, Some(mid), &reason);
        one.clone_into(mid);
    }
}
