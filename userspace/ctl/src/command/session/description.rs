//! A session's format and flow from an SDP file.

use std::net::SocketAddr;
use std::path::Path;

use onair_sdp::{Chosen, Media, SessionDescription};
use serde_json::{Value, json};

use crate::args::essence::{self, Fields};
use crate::failure::Failure;

/// What a description says of a session.
#[derive(Debug)]
pub(crate) struct Described {
    /// The format in the specification.
    pub(crate) format: Fields,
    /// `flow` of the specification.
    pub(crate) flow: Value,
    /// The addresses of its second leg (ST 2022-7).
    pub(crate) second: Option<Value>,
    /// What the user should know: accepted slips, and what is not used.
    pub(crate) notes: Vec<String>,
}

impl Described {
    /// The only stream in `text` that a session can carry, or the first leg of it. A receive session accepts its
    /// sources only.
    pub(crate) fn read(path: &Path, text: &str, receives: bool) -> Result<Self, Failure> {
        let shown = path.display();
        let fail = |error: &dyn std::fmt::Display| Failure::Input(format!("{shown}: {error}"));
        let description = SessionDescription::parse(text).map_err(|error| fail(&error))?;
        let notes: Vec<_> = description
            .warnings
            .iter()
            .map(|it| format!("{shown}: line {}: {}", it.line, it.text))
            .collect();
        let Chosen {
            media,
            carried,
            legs,
        } = description.chosen().map_err(|error| fail(&error))?;
        let mut flow = addresses(media, receives);
        flow["payload_type"] = json!(media.payload_type);
        flow["media_clock_offset"] = json!(media.clock_offset());
        let second = legs.first().map(|it| addresses(it, receives));
        if let (Some(ttl), false) = (media.ttl, receives) {
            flow["ttl"] = json!(ttl);
        }
        Ok(Self {
            format: essence::fields(carried),
            flow,
            second,
            notes,
        })
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
