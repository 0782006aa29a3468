//! From text to values.

use std::net::IpAddr;

use sdp_types::{Attribute, Connection, Media as RawMedia, ParserError, Session};

use crate::clock::{MediaClock, ReferenceClock};
use crate::description::{Essence, Media, Origin, SessionDescription};
use crate::error::{Fault, SdpError};
use crate::essence::ancillary::Ancillary;
use crate::essence::audio::{Aes3, Audio, PcmDepth, packet_time, parse_order};
use crate::essence::compressed::Compressed;
use crate::essence::video::DescribedVideo;
use crate::fmtp::Parameters;
use crate::rate::whole;
use crate::text::lines::Lines;
use crate::warning::Warning;
use onair_essence::audio::ChannelOrder;

/// Longest description, in bytes.
const MAX_BYTES: usize = 65_536;

/// An attribute with its line.
#[derive(Clone, Copy, Debug)]
struct Line<'a> {
    number: usize,
    name: &'a str,
    value: &'a str,
}

/// The attributes that hold for one medium: its own, then the session's.
#[derive(Debug)]
struct Attributes<'a> {
    own: Vec<Line<'a>>,
    session: &'a [Line<'a>],
    /// The `m=` line, for what is missing.
    start: usize,
}

impl<'a> Attributes<'a> {
    /// The medium's attribute, or else the session's.
    fn find(&self, name: &str) -> Option<Line<'a>> {
        let all = self.own.iter().chain(self.session);
        all.copied().find(|it| it.name == name)
    }

    /// An attribute as `read` reads it.
    fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Option<T>,
        wanted: &str,
    ) -> Result<Option<T>, SdpError> {
        let Some(line) = self.find(name) else {
            return Ok(None);
        };
        match read(line.value) {
            Some(value) => Ok(Some(value)),
            None => Err(SdpError::invalid(line.number, name, line.value, wanted)),
        }
    }
}

impl SessionDescription {
    /// Parses a description.
    ///
    /// # Errors
    /// [`SdpError`]: the first fault, with line and parameter.
    pub fn parse(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_BYTES {
            return Err(SdpError::new(1, "text", Fault::TooLong(MAX_BYTES)));
        }
        let lines = Lines::new(text);
        let raw = Session::parse(lines.text.as_bytes()).map_err(|error| syntax(&lines, &error))?;
        let session = attributes(&raw.attributes, &lines, 0);
        let mut warnings = Vec::new();
        let mut media = Vec::new();
        for (section, raw_media) in (1..).zip(&raw.medias) {
            let of_media = Attributes {
                own: attributes(&raw_media.attributes, &lines, section),
                session: &session,
                start: lines.sections.get(section).map_or(1, |it| it.start),
            };
            let own = lines.sections.get(section).and_then(|it| it.connection);
            let of_session = lines.sections.first().and_then(|it| it.connection);
            let connection = match (raw_media.connections.first(), &raw.connection) {
                (Some(connection), _) => (own, connection),
                (None, Some(connection)) => (of_session, connection),
                (None, None) => return Err(SdpError::new(of_media.start, "c", Fault::Missing)),
            };
            let connection = (connection.0.unwrap_or(of_media.start), connection.1);
            media.push(medium(raw_media, &of_media, connection, &mut warnings)?);
        }
        let duplicates = duplicates(&session, &media)?;
        Ok(Self {
            origin: Origin {
                user: raw.origin.username,
                session: raw.origin.sess_id,
                version: raw.origin.sess_version,
                address: raw.origin.unicast_address,
            },
            name: raw.session_name,
            info: raw.session_description,
            duplicates,
            media,
            warnings,
        })
    }
}

impl std::str::FromStr for SessionDescription {
    type Err = SdpError;

    fn from_str(text: &str) -> Result<Self, SdpError> {
        Self::parse(text)
    }
}

fn attributes<'a>(all: &'a [Attribute], lines: &Lines, section: usize) -> Vec<Line<'a>> {
    let numbers = lines.sections.get(section).map(|it| it.attributes.iter());
    let mut numbers = numbers.into_iter().flatten().copied();
    all.iter()
        .map(|it| Line {
            number: numbers.next().unwrap_or(1),
            name: &it.attribute,
            value: it.value.as_deref().unwrap_or_default().trim(),
        })
        .collect()
}

#[allow(deprecated, reason = "the enum still has the two variants")]
fn syntax(lines: &Lines, error: &ParserError) -> SdpError {
    use ParserError as P;
    let (line, parameter) = match error {
        P::UnexpectedLine(line, _) | P::InvalidLineFormat(line, _) => (*line, "line"),
        P::InvalidFieldEncoding(line, field)
        | P::InvalidFieldFormat(line, field)
        | P::MissingField(line, field)
        | P::FieldTrailingData(line, field) => (*line, *field),
        P::InvalidVersion(line, _) | P::MultipleVersions(line) => (*line, "v"),
        P::NoVersion => (1, "v"),
        P::MultipleOrigins(line) => (*line, "o"),
        P::NoOrigin => (1, "o"),
        P::MultipleSessionNames(line) => (*line, "s"),
        P::NoSessionName => (1, "s"),
        P::MultipleSessionDescription(line) | P::MultipleMediaTitles(line) => (*line, "i"),
        P::MultipleUris(line) => (*line, "u"),
        P::MultipleConnections(line) => (*line, "c"),
        P::MultipleTimeZones(line) => (*line, "z"),
        P::MultipleKeys(line) => (*line, "k"),
        P::RepeatWithoutTime(line) => (*line, "r"),
    };
    let text = error.to_string().chars().take(120).collect();
    SdpError::new(lines.original(line), parameter, Fault::Syntax(text))
}

fn medium(
    raw: &RawMedia,
    all: &Attributes<'_>,
    (line, connection): (usize, &Connection),
    warnings: &mut Vec<Warning>,
) -> Result<Media, SdpError> {
    if raw.proto != "RTP/AVP" {
        return Err(SdpError::invalid(all.start, "m", &raw.proto, "RTP/AVP"));
    }
    if raw.port == 0 {
        return Err(SdpError::invalid(
            all.start,
            "m",
            "0",
            "a UDP port other than 0",
        ));
    }
    let (destination, ttl) = address(line, connection)?;
    let payload_type = raw.fmt.split(' ').next().unwrap_or_default();
    let wanted = "a payload type from 0 to 127";
    let number = whole(payload_type).and_then(|it| u8::try_from(it).ok());
    let number = number.filter(|it| *it < 128);
    let number = number.ok_or_else(|| SdpError::invalid(all.start, "m", payload_type, wanted))?;
    let bandwidth = raw.bandwidths.iter().find(|it| it.bwtype == "AS");
    let clock = "one such as ptp=IEEE1588-2008:39-A7-94-FF-FE-07-CB-D0:37, or localmac=…";
    Ok(Media {
        destination,
        port: raw.port,
        ttl,
        payload_type: number,
        sources: sources(all, destination)?,
        bandwidth: bandwidth.map(|it| it.bandwidth),
        mid: all.find("mid").map(|it| it.value.to_owned()),
        reference_clock: all.read("ts-refclk", ReferenceClock::parse, clock)?,
        media_clock: all.read("mediaclk", MediaClock::parse, "direct=0, or sender")?,
        essence: essence(raw, all, number, warnings)?,
    })
}

fn address(line: usize, connection: &Connection) -> Result<(IpAddr, Option<u8>), SdpError> {
    let text = &connection.connection_address;
    let invalid = |wanted| SdpError::invalid(line, "c", text, wanted);
    let is_ipv6 = match connection.addrtype.to_string().as_str() {
        "IP4" => false,
        "IP6" => true,
        _ => return Err(invalid("an address of IPv4 or IPv6: IN IP4 … or IN IP6 …")),
    };
    let (address, ttl) = match text.split_once('/') {
        Some((address, ttl)) => (address, Some(ttl)),
        None => (text.as_str(), None),
    };
    let parsed = address.parse::<IpAddr>().ok();
    let parsed = parsed.filter(|it| it.is_ipv6() == is_ipv6);
    let address = parsed.ok_or_else(|| match is_ipv6 {
        true => invalid("an IPv6 address, such as ff3e::8000:1"),
        false => invalid("an IPv4 address, such as 239.20.1.1/64"),
    })?;
    // RFC 8866 §5.7: what follows an address of IPv6 is a number of addresses, of which one is used.
    if is_ipv6 {
        return match ttl {
            None | Some("1") => Ok((address, None)),
            Some(_) => Err(invalid("one IPv6 address, without a TTL")),
        };
    }
    let ttl = match ttl {
        // The field after it would be a number of addresses, which ST 2110 does not use.
        Some(ttl) => Some(ttl.parse().map_err(|_| invalid("a TTL from 0 to 255"))?),
        None => None,
    };
    Ok((address, ttl))
}

/// `source-filter: incl IN IP4 DESTINATION SOURCE…`, or with IP6 (RFC 4570).
fn sources(all: &Attributes<'_>, destination: IpAddr) -> Result<Vec<IpAddr>, SdpError> {
    let mut sources = Vec::new();
    let lines = all.own.iter().chain(all.session);
    for line in lines.filter(|it| it.name == "source-filter") {
        let invalid = |wanted| SdpError::invalid(line.number, line.name, line.value, wanted);
        let form = "incl IN IP4 DESTINATION SOURCE, or IP6, with addresses of that family";
        let mut fields = line.value.split_ascii_whitespace();
        if fields.next() != Some("incl") {
            return Err(invalid("incl: sources to exclude are not supported"));
        }
        let is_ipv6 = match (fields.next(), fields.next()) {
            (Some("IN"), Some("IP4")) => false,
            (Some("IN"), Some("IP6")) => true,
            _ => return Err(invalid(form)),
        };
        let of_family = |text: &str| {
            text.parse()
                .ok()
                .filter(|it: &IpAddr| it.is_ipv6() == is_ipv6)
        };
        let of = fields.next().ok_or_else(|| invalid(form))?;
        if of == "*" && is_ipv6 != destination.is_ipv6() {
            continue;
        }
        if of != "*" && of_family(of).ok_or_else(|| invalid(form))? != destination {
            continue;
        }
        let before = sources.len();
        for field in fields {
            let source = of_family(field).ok_or_else(|| invalid(form))?;
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        if sources.len() == before && before == 0 {
            return Err(invalid(form));
        }
    }
    Ok(sources)
}

fn essence(
    raw: &RawMedia,
    all: &Attributes<'_>,
    payload_type: u8,
    warnings: &mut Vec<Warning>,
) -> Result<Essence, SdpError> {
    let Some((line, encoding)) = of_type(all, "rtpmap", payload_type)? else {
        return Ok(Essence::Other {
            kind: raw.media.clone(),
            encoding: String::new(),
            parameters: String::new(),
        });
    };
    if encoding.is_empty() {
        let wanted = "an encoding after the payload type, such as raw/90000";
        return Err(SdpError::invalid(line, "rtpmap", encoding, wanted));
    }
    let fmtp = of_type(all, "fmtp", payload_type)?;
    let (at, text) = fmtp.unwrap_or((all.start, ""));
    let parameters = |repeats| Parameters::parse(at, text, repeats);
    let (name, rest) = encoding.split_once('/').unwrap_or((encoding, ""));
    let video_clock = || match rest {
        "90000" => Ok(()),
        other => Err(SdpError::invalid(line, "rtpmap", other, "a clock of 90000")),
    };
    match (raw.media.as_str(), name) {
        ("video", "raw") => {
            video_clock()?;
            Ok(Essence::Video(DescribedVideo::parse(
                &parameters(&[])?,
                warnings,
            )?))
        }
        ("video", "jxsv") => {
            video_clock()?;
            let compressed = Compressed::parse(&parameters(&[])?, warnings)?;
            Ok(Essence::Compressed(compressed))
        }
        ("video", "smpte291") => {
            video_clock()?;
            let all = parameters(Ancillary::REPEATS)?;
            Ok(Essence::Ancillary(Ancillary::parse(&all)?))
        }
        ("audio", "L16" | "L24" | "AM824") => {
            let order = parse_order(&parameters(&[])?)?;
            audio(all, line, encoding, order, warnings)
        }
        (kind, _) => Ok(Essence::Other {
            kind: kind.to_owned(),
            encoding: encoding.to_owned(),
            parameters: text.to_owned(),
        }),
    }
}

fn audio(
    all: &Attributes<'_>,
    line: usize,
    encoding: &str,
    order: Option<ChannelOrder>,
    warnings: &mut Vec<Warning>,
) -> Result<Essence, SdpError> {
    let mut parts = encoding.split('/');
    let name = parts.next().unwrap_or_default();
    let wanted = "ENCODING/RATE/CHANNELS, such as L24/48000/2";
    let invalid = || SdpError::invalid(line, "rtpmap", encoding, wanted);
    let rate = parts.next().and_then(whole).filter(|it| *it > 0);
    let sample_rate = rate.ok_or_else(invalid)?;
    let channels = match parts.next() {
        Some(channels) => whole(channels).and_then(|it| u16::try_from(it).ok()),
        None => Some(1),
    };
    let channels = channels.filter(|it| *it > 0).ok_or_else(invalid)?;
    if parts.next().is_some() {
        return Err(invalid());
    }
    let packet_time_us = all.read("ptime", packet_time, "milliseconds such as 1 or 0.125")?;
    let in_order = order.as_ref().and_then(ChannelOrder::channels);
    if let Some(in_order) = in_order.filter(|it| *it != channels) {
        warnings.push(Warning {
            line,
            text: format!("rtpmap has {channels} channels, and channel-order {in_order}"),
        });
    }
    if name == "AM824" {
        if channels % 2 == 1 {
            let text = format!("rtpmap has {channels} channels: AES3 signals have two each");
            warnings.push(Warning { line, text });
        }
        return Ok(Essence::Aes3(Aes3 {
            sample_rate,
            channels,
            packet_time_us,
            order,
        }));
    }
    let depth = match name {
        "L16" => PcmDepth::L16,
        _ => PcmDepth::L24,
    };
    Ok(Essence::Audio(Audio {
        depth,
        sample_rate,
        channels,
        packet_time_us,
        order,
    }))
}

/// The text of `a=NAME:PT text` for this payload type, the first of the `m=` line. There may be others,
/// of the formats after it, but not others alone.
fn of_type<'a>(
    all: &Attributes<'a>,
    name: &str,
    payload_type: u8,
) -> Result<Option<(usize, &'a str)>, SdpError> {
    let mut other = None;
    for line in all.own.iter().filter(|it| it.name == name) {
        let (number, text) = line.value.split_once(' ').unwrap_or((line.value, ""));
        let Some(number) = whole(number).filter(|it| *it < 128) else {
            let wanted = "a payload type from 0 to 127 first";
            return Err(SdpError::invalid(line.number, name, line.value, wanted));
        };
        if number == u32::from(payload_type) {
            return Ok(Some((line.number, text.trim())));
        }
        other.get_or_insert((line.number, number));
    }
    let Some((line, number)) = other else {
        return Ok(None);
    };
    let wanted = format!("{payload_type}, the payload type of the m= line");
    let number = number.to_string();
    Err(SdpError::invalid(line, name, &number, wanted))
}

/// `a=group:DUP MID MID` (RFC 7104).
fn duplicates(session: &[Line<'_>], media: &[Media]) -> Result<Vec<Vec<String>>, SdpError> {
    let mut groups = Vec::new();
    for line in session.iter().filter(|it| it.name == "group") {
        let mut fields = line.value.split_ascii_whitespace();
        if fields.next() != Some("DUP") {
            continue;
        }
        let mids: Vec<_> = fields.map(str::to_owned).collect();
        let is_there = |mid: &String| media.iter().any(|it| it.mid.as_ref() == Some(mid));
        if let Some(absent) = mids.iter().find(|mid| !is_there(mid)) {
            let wanted = "names that a=mid gives to the media";
            return Err(SdpError::invalid(line.number, "group", absent, wanted));
        }
        groups.push(mids);
    }
    Ok(groups)
}
