//! The stream of a description that a session gets.

use onair_essence::video::VideoDocument;

use crate::carried::NotCarried;
use crate::description::{Essence, Media, SessionDescription};

/// The only stream that can be carried, or the first leg of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The stream.
    pub media: &'a Media,
    /// Its format.
    pub carried: VideoDocument,
    /// The description has other legs of it (ST 2022-7).
    pub has_legs: bool,
}

/// Why no stream can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoneChosen {
    /// No stream is of an essence that is carried.
    #[error("it describes no ST 2110-20 video (raw/90000)")]
    None,
    /// Several streams are, and they are not legs of one.
    #[error("it describes {0} videos: leave the one that is wanted")]
    Several(usize),
    /// A parameter of its format is not carried.
    #[error(transparent)]
    NotCarried(#[from] NotCarried),
}

impl SessionDescription {
    /// The only stream that a session can carry, or the first leg of it.
    ///
    /// # Errors
    /// [`NoneChosen`]: there is none, there are several, or its format is not carried.
    pub fn chosen(&self) -> Result<Chosen<'_>, NoneChosen> {
        let videos = self.media.iter().filter_map(|media| match &media.essence {
            Essence::Video(video) => Some((media, video)),
            _ => None,
        });
        let videos: Vec<_> = videos.collect();
        let Some(((media, video), others)) = videos.split_first() else {
            return Err(NoneChosen::None);
        };
        if !others.iter().all(|(other, _)| self.are_legs(media, other)) {
            return Err(NoneChosen::Several(videos.len()));
        }
        Ok(Chosen {
            media,
            carried: video.carried()?,
            has_legs: !others.is_empty(),
        })
    }

    /// Whether two media are legs of one stream.
    fn are_legs(&self, one: &Media, other: &Media) -> bool {
        let mut groups = self.duplicates.iter();
        groups.any(|mids| {
            [one, other].iter().all(|media| match &media.mid {
                Some(mid) => mids.contains(mid),
                None => false,
            })
        })
    }
}
