//! The user's facts about the formats.

use std::fs;
use std::net::SocketAddr;

use onair_essence::survey::{StreamFormat, Survey, UserFacts};
use onair_sdp::{Media, SessionDescription};

use super::Analyze;
use crate::failure::Failure;

/// The user's facts about the formats, by flags and by a session description.
#[derive(Debug)]
pub(super) struct Formats {
    given: UserFacts,
    media: Vec<Media>,
    notes: Vec<String>,
}

impl Formats {
    pub(super) fn new(arguments: &Analyze) -> Result<Self, Failure> {
        let mut media = Vec::new();
        let mut notes = Vec::new();
        if let Some(path) = &arguments.sdp {
            let shown = path.display();
            let bytes = fs::read(path)
                .map_err(|error| Failure::Input(format!("cannot read {shown}: {error}")))?;
            let description = SessionDescription::read(&bytes)
                .map_err(|error| Failure::Input(format!("{shown}: {error}")))?;
            let of_media = description.media.iter().flat_map(|it| it.notes.iter());
            let all = description.notes.iter().chain(of_media);
            notes.extend(all.map(|it| format!("{shown}: {it}")));
            let unread = description.unread.iter();
            notes.extend(unread.map(|it| format!("{shown}: {}", it.error)));
            media = description.media;
        }
        Ok(Self {
            given: arguments.format.given(),
            media,
            notes,
        })
    }

    pub(super) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The format of the stream to `destination`, and the offset of its timestamps.
    pub(super) fn of(&self, destination: SocketAddr, survey: &Survey) -> (StreamFormat, u32) {
        let media = self.media.iter().find(|media| {
            (media.destination, media.port) == (destination.ip(), destination.port())
        });
        let described = media.map(|it| it.essence.described());
        let format = StreamFormat::of(survey, described.as_ref(), &self.given);
        (format, media.map_or(0, Media::clock_offset))
    }
}
