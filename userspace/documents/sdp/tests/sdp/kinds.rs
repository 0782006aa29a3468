//! Every parameter that can be read is carried into a session and out of it again, or noted: over all inputs.

use std::collections::BTreeMap;

use onair_essence::Format;
use onair_sdp::{DescribedRate, Essence, Media, SessionDescription, Stream};

use crate::field::files;
use crate::samples::parsed;

/// Parameters that say the default, which a description need not say.
const DEFAULTS: [(&str, &str); 4] = [
    ("MAXUDP", "1460"),
    ("transmode", "1"),
    ("packetmode", "0"),
    ("TM", "CTM"),
];

/// Keys and values of the `fmtp` of a description's medium, as a second reader takes them out.
fn parameters(medium: &str) -> BTreeMap<String, String> {
    let unfolded = medium.replace("\r\n", "\n").replace("\n ", " ");
    let lines = unfolded.lines().map(|it| it.replace(char::is_control, " "));
    let lines: Vec<_> = lines.collect();
    let lines = lines.iter().map(|it| it.trim());
    let fmtp = lines.filter_map(|it| it.strip_prefix("a=fmtp:"));
    let texts = fmtp.filter_map(|it| Some(it.split_once(' ')?.1));
    let text = texts.collect::<Vec<_>>().join(";");
    let parts = text.split(';').map(str::trim).filter(|it| !it.is_empty());
    let pairs = parts.map(|part| {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        (
            key.trim().to_ascii_uppercase(),
            value.trim().to_ascii_uppercase(),
        )
    });
    pairs.collect()
}

/// The part of a text that begins at this line, from 1, up to the next medium.
fn part(text: &str, line: usize) -> String {
    let mut lines = text.lines().skip(line - 1);
    let first = lines.next().unwrap_or_default();
    let rest = lines.take_while(|it| !it.trim_start().starts_with("m="));
    [first]
        .into_iter()
        .chain(rest)
        .collect::<Vec<_>>()
        .join("\n")
}

/// What a session with this stream writes.
fn written(stream: &Stream<'_>) -> SessionDescription {
    let format = Format::try_from(stream.carried.clone()).expect("a format");
    let media = Media {
        essence: Essence::of(&format),
        bandwidth: Media::bandwidth_of(&format),
        ..stream.media.clone()
    };
    let description = SessionDescription {
        media: vec![media],
        duplicates: Vec::new(),
        ..parsed("v=0\nm=video 5004 RTP/AVP 96\nc=IN IP4 233.252.0.1\n")
    };
    parsed(&description.to_string())
}

fn same(key: &str, one: &str, other: &str) -> bool {
    let rate = |text: &str| DescribedRate::of_text(text);
    one.trim_matches(['{', '}']) == other.trim_matches(['{', '}'])
        || (key == "EXACTFRAMERATE" && rate(one).is_some() && rate(one) == rate(other))
}

/// Attributes and types of line that a session has, in one form or another, or that say nothing of packets.
const TAKEN: [&str; 24] = [
    "rtpmap",
    "fmtp",
    "framerate",
    "ptime",
    "framecount",
    "source-filter",
    "ts-refclk",
    "mediaclk",
    "group",
    "mid",
    "inactive",
    "tool",
    "type",
    "charset",
    "lang",
    "sdplang",
    "cat",
    "keywds",
    "recvonly",
    "sendonly",
    "sendrecv",
    "control",
    "range",
    "ssrc-group",
];

#[test]
fn every_attribute_and_line_of_every_input_then_taken_or_noted() {
    for (name, bytes) in files() {
        let text = String::from_utf8_lossy(&bytes)
            .replace("\r\n", "\n")
            .replace('\r', "\n");
        let Ok(description) = SessionDescription::read(&bytes) else {
            continue;
        };
        // Of two descriptions the first is read, and no line of a text in another alphabet is looked at here.
        if name.contains("two-descriptions")
            || name.contains("utf16")
            || !description.unread.is_empty()
        {
            continue;
        }
        let notes: Vec<_> = description
            .media
            .iter()
            .flat_map(|it| it.notes.iter())
            .chain(description.notes.iter())
            .collect();
        for line in text.lines().map(str::trim) {
            let Some((key, value)) = line.split_once('=').filter(|it| it.0.len() == 1) else {
                continue;
            };
            let (parameter, is_taken) = match key {
                "a" => {
                    let attribute = value.trim().split(':').next().unwrap_or_default().trim();
                    (
                        attribute,
                        TAKEN.iter().any(|it| it.eq_ignore_ascii_case(attribute)),
                    )
                }
                "b" => {
                    let is_of_codestreams = description
                        .media
                        .iter()
                        .any(|it| matches!(it.essence, Essence::Compressed(_)));
                    (key, is_of_codestreams && value.starts_with("AS:"))
                }
                "t" => (key, value.trim() == "0 0"),
                "v" | "o" | "s" | "i" | "u" | "e" | "p" | "m" | "c" => (key, true),
                _ => (key, false),
            };
            let is_noted = notes
                .iter()
                .any(|it| it.parameter.eq_ignore_ascii_case(parameter));
            assert!(is_taken || is_noted, "{name}: {line} is lost: {notes:?}");
        }
    }
}

#[test]
fn every_parameter_of_every_input_then_carried_or_noted() {
    let mut count = 0;
    for (name, bytes) in files() {
        let text: String = match String::from_utf8(bytes.clone()) {
            Ok(text) => text,
            Err(error) => error.into_bytes().into_iter().map(char::from).collect(),
        };
        let Ok(mut description) = SessionDescription::read(&bytes) else {
            continue;
        };
        for medium in &mut description.media {
            medium
                .essence
                .set_missing_rate(DescribedRate::new(25, 1).expect("a rate"));
        }
        let streams = description.streams().into_iter().flatten().flatten();
        for stream in streams {
            let out = written(&stream).to_string();
            let out = parameters(&out);
            for (key, value) in parameters(&part(&text, stream.media.line)) {
                count += 1;
                let default = DEFAULTS
                    .iter()
                    .any(|it| it.0.eq_ignore_ascii_case(&key) && it.1 == value);
                let is_noted = stream
                    .notes
                    .iter()
                    .any(|it| it.parameter.eq_ignore_ascii_case(&key));
                let is_out = out.get(&key).is_some_and(|it| same(&key, it, &value));
                assert!(
                    is_out || is_noted || default,
                    "{name}: {key}={value} is lost: {out:?}"
                );
            }
        }
    }
    assert!(count > 100, "{count} parameters");
}
