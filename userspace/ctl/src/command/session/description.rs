//! A session's video and flow from an SDP file.

use std::path::Path;

use onair_sdp::{Essence, Media, SessionDescription};
use serde_json::{Value, json};

use crate::failure::Failure;

/// What a description says of a session.
#[derive(Debug)]
pub(super) struct Described {
    /// `video` of the specification.
    pub(super) video: Value,
    /// `flow` of the specification.
    pub(super) flow: Value,
    /// What the user should know: accepted slips, and what is not used.
    pub(super) notes: Vec<String>,
}

impl Described {
    /// The only ST 2110-20 video in `text`, or the first leg of it. A receive session accepts its
    /// sources only.
    pub(super) fn read(path: &Path, text: &str, receives: bool) -> Result<Self, Failure> {
        let shown = path.display();
        let fail = |error: &dyn std::fmt::Display| Failure::Input(format!("{shown}: {error}"));
        let description = SessionDescription::parse(text).map_err(|error| fail(&error))?;
        let mut notes: Vec<_> = description
            .warnings
            .iter()
            .map(|it| format!("{shown}: line {}: {}", it.line, it.text))
            .collect();
        let (media, video) = match &videos(&description)[..] {
            [] => return Err(fail(&"it describes no ST 2110-20 video (raw/90000)")),
            [one] => *one,
            [first, others @ ..] => {
                let is_leg = |(media, _): &(&Media, _)| is_pair(&description, first.0, media);
                if !others.iter().all(is_leg) {
                    let count = others.len() + 1;
                    let error =
                        format!("it describes {count} videos: leave the one that is wanted");
                    return Err(fail(&error));
                }
                notes.push(format!(
                    "{shown}: only the first leg is used: ST 2022-7 is not supported yet"
                ));
                *first
            }
        };
        let carried = video.carried().map_err(|error| fail(&error))?;
        let destination = format!("{}:{}", media.destination, media.port);
        let mut flow = json!({"destination": destination, "payload_type": media.payload_type});
        if let (Some(ttl), false) = (media.ttl, receives) {
            flow["ttl"] = json!(ttl);
        }
        match media.sources[..] {
            [source] if receives => flow["source"] = json!(source.to_string()),
            [_, _, ..] if receives => {
                let sources = media.sources.iter().map(ToString::to_string);
                flow["sources"] = json!(sources.collect::<Vec<_>>());
            }
            _ => {}
        }
        Ok(Self {
            video: json!(carried),
            flow,
            notes,
        })
    }
}

fn videos(description: &SessionDescription) -> Vec<(&Media, &onair_sdp::DescribedVideo)> {
    let all = description.media.iter();
    all.filter_map(|media| match &media.essence {
        Essence::Video(video) => Some((media, video)),
        _ => None,
    })
    .collect()
}

/// Whether two media are legs of one stream.
fn is_pair(description: &SessionDescription, one: &Media, other: &Media) -> bool {
    let mut groups = description.duplicates.iter();
    groups.any(|mids| {
        [one, other].iter().all(|media| match &media.mid {
            Some(mid) => mids.contains(mid),
            None => false,
        })
    })
}
