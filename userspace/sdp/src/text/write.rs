//! From values to text.

use std::fmt;
use std::net::IpAddr;

use sdp_types::{
    AddrType, Attribute, Bandwidth, BandwidthType, Connection, Media as RawMedia, NetType,
    Origin as RawOrigin, Session, Time,
};

use crate::description::{Essence, Media, SessionDescription};
use crate::essence::audio::{PcmDepth, shown_time, write_order};

impl fmt::Display for SessionDescription {
    /// The text, with CRLF at the end of each line (RFC 8866 §5). The warnings are not in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = RawOrigin {
            username: self.origin.user.clone(),
            sess_id: self.origin.session.clone(),
            sess_version: self.origin.version,
            nettype: NetType::In,
            addrtype: match self.origin.address.parse() {
                Ok(IpAddr::V6(_)) => AddrType::Ip6,
                _ => AddrType::Ip4,
            },
            unicast_address: self.origin.address.clone(),
        };
        let mut session = Session::new(origin, one_line(&self.name));
        session.session_description = self.info.as_deref().map(one_line);
        session.times.push(Time::new(0, 0));
        for mids in &self.duplicates {
            let group = format!("DUP {}", mids.join(" "));
            session.attributes.push(attribute("group", group));
        }
        session.medias = self.media.iter().map(raw).collect();
        let mut bytes = Vec::new();
        session.write(&mut bytes).map_err(|_| fmt::Error)?;
        f.write_str(&String::from_utf8_lossy(&bytes))
    }
}

fn attribute(name: &str, value: impl fmt::Display) -> Attribute {
    Attribute::with_value(name, one_line(&value.to_string()))
}

/// Text of a user in one line.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn raw(media: &Media) -> RawMedia {
    let number = media.payload_type;
    let (kind, encoding, parameters) = format(&media.essence);
    let address = match media.ttl {
        Some(ttl) if media.destination.is_ipv4() => format!("{}/{ttl}", media.destination),
        _ => media.destination.to_string(),
    };
    let family = match media.destination {
        IpAddr::V4(_) => AddrType::Ip4,
        IpAddr::V6(_) => AddrType::Ip6,
    };
    let mut attributes = Vec::new();
    if !media.sources.is_empty() {
        let sources: Vec<_> = media.sources.iter().map(ToString::to_string).collect();
        let filter = format!(
            "incl IN {family} {} {}",
            media.destination,
            sources.join(" ")
        );
        // As other programs write it: ` incl`, the blank is RFC 4570's.
        attributes.push(attribute("source-filter", format!(" {filter}")));
    }
    if !encoding.is_empty() {
        attributes.push(attribute("rtpmap", format!("{number} {encoding}")));
    }
    if !parameters.is_empty() {
        attributes.push(attribute("fmtp", format!("{number} {parameters}")));
    }
    let packet_time = match &media.essence {
        Essence::Audio(audio) => audio.packet_time_us,
        Essence::Aes3(audio) => audio.packet_time_us,
        _ => None,
    };
    let packet_time = packet_time.map(|us| attribute("ptime", shown_time(us)));
    let clock = media.reference_clock.as_ref();
    let clock = clock.map(|clock| attribute("ts-refclk", clock));
    let media_clock = media.media_clock.as_ref();
    let media_clock = media_clock.map(|clock| attribute("mediaclk", clock));
    let mid = media.mid.as_ref().map(|mid| attribute("mid", mid));
    let more = [packet_time, clock, media_clock, mid];
    attributes.extend(more.into_iter().flatten());
    RawMedia {
        media: kind,
        port: media.port,
        num_ports: None,
        proto: "RTP/AVP".to_owned(),
        fmt: number.to_string(),
        media_title: None,
        connections: vec![Connection {
            nettype: NetType::In,
            addrtype: family,
            connection_address: address,
        }],
        bandwidths: media
            .bandwidth
            .map(|kbits| Bandwidth::new(BandwidthType::As, kbits))
            .into_iter()
            .collect(),
        key: None,
        attributes,
    }
}

/// Media type, encoding and parameters.
fn format(essence: &Essence) -> (String, String, String) {
    let (kind, encoding, parameters) = match essence {
        Essence::Video(video) => ("video", "raw/90000".to_owned(), video.write()),
        Essence::Compressed(it) => ("video", "jxsv/90000".to_owned(), it.write()),
        Essence::Ancillary(it) => ("video", "smpte291/90000".to_owned(), it.write()),
        Essence::Audio(audio) => {
            let name = match audio.depth {
                PcmDepth::L16 => "L16",
                PcmDepth::L24 => "L24",
            };
            let encoding = format!("{name}/{}/{}", audio.sample_rate, audio.channels);
            ("audio", encoding, write_order(audio.order.as_ref()))
        }
        Essence::Aes3(audio) => {
            let encoding = format!("AM824/{}/{}", audio.sample_rate, audio.channels);
            ("audio", encoding, write_order(audio.order.as_ref()))
        }
        Essence::Other {
            kind,
            encoding,
            parameters,
        } => return (kind.clone(), encoding.clone(), parameters.clone()),
    };
    (kind.to_owned(), encoding, parameters)
}
