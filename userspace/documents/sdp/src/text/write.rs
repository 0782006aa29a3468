//! From values to text.

use std::fmt::{self, Display, Write as _};
use std::net::IpAddr;

use crate::description::{Essence, Media, SessionDescription};
use crate::essence::audio::{PcmDepth, shown_time, write_order};

impl Display for SessionDescription {
    /// The text, with CRLF at the end of each line (RFC 8866 §5). Neither notes nor media that were not read are in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Lines::default();
        out.add('v', 0);
        let origin = &self.origin;
        let user = origin.user.as_deref().unwrap_or("-");
        let family = family(origin.address.parse().ok());
        let (session, version) = (&origin.session, origin.version);
        let address = &origin.address;
        out.add(
            'o',
            format!("{user} {session} {version} IN {family} {address}"),
        );
        // A name is never empty: a blank is (RFC 8866 §5.3).
        let name = Some(self.name.as_str()).filter(|it| !it.is_empty());
        out.add('s', name.unwrap_or(" "));
        if let Some(info) = &self.info {
            out.add('i', info);
        }
        out.add('t', "0 0");
        for mids in &self.duplicates {
            let is_there = |mid: &&String| self.media.iter().any(|it| it.mid.as_ref() == Some(mid));
            let mids: Vec<_> = mids.iter().filter(is_there).map(String::as_str).collect();
            if !mids.is_empty() {
                out.attribute("group", format!("DUP {}", mids.join(" ")));
            }
        }
        for media in &self.media {
            out.medium(media);
        }
        f.write_str(&out.0)
    }
}

/// `IP4` or `IP6`.
const fn family(address: Option<IpAddr>) -> &'static str {
    match address {
        Some(IpAddr::V6(_)) => "IP6",
        _ => "IP4",
    }
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    /// A line, whose text may be a user's.
    fn add(&mut self, key: char, value: impl Display) {
        let value = value.to_string().replace(char::is_control, " ");
        // Writing to a string never fails.
        let _ = write!(self.0, "{key}={value}\r\n");
    }

    fn attribute(&mut self, name: &str, value: impl Display) {
        self.add('a', format!("{name}:{value}"));
    }

    fn medium(&mut self, media: &Media) {
        let number = media.payload_type;
        let (kind, encoding, parameters) = format_of(&media.essence);
        self.add('m', format!("{kind} {} RTP/AVP {number}", media.port));
        if let Some(title) = &media.title {
            self.add('i', title);
        }
        let family = family(Some(media.destination));
        let destination = media.destination;
        let ttl = media.ttl.filter(|_| destination.is_ipv4());
        let ttl = ttl.map_or_else(String::new, |it| format!("/{it}"));
        self.add('c', format!("IN {family} {destination}{ttl}"));
        if let Some(kbits) = media.bandwidth {
            self.add('b', format!("AS:{kbits}"));
        }
        if !media.sources.is_empty() {
            let sources: Vec<_> = media.sources.iter().map(ToString::to_string).collect();
            let sources = sources.join(" ");
            // As other programs write it: ` incl`, the blank is RFC 4570's.
            let filter = format!(" incl IN {family} {destination} {sources}");
            self.attribute("source-filter", filter);
        }
        if !encoding.is_empty() {
            self.attribute("rtpmap", format!("{number} {encoding}"));
        }
        if !parameters.is_empty() {
            self.attribute("fmtp", format!("{number} {parameters}"));
        }
        let packet_time = match &media.essence {
            Essence::Audio(audio) => audio.packet_time_us,
            Essence::Aes3(audio) => audio.packet_time_us,
            _ => None,
        };
        if let Some(us) = packet_time {
            self.attribute("ptime", shown_time(us));
        }
        if let Some(clock) = &media.reference_clock {
            self.attribute("ts-refclk", clock);
        }
        if let Some(clock) = &media.media_clock {
            self.attribute("mediaclk", clock);
        }
        if let Some(mid) = &media.mid {
            self.attribute("mid", mid);
        }
        if !media.is_active {
            self.add('a', "inactive");
        }
    }
}

/// Media type, encoding and parameters.
fn format_of(essence: &Essence) -> (String, String, String) {
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
