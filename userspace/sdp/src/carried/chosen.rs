//! The stream of a description that a session gets.

use onair_essence::FormatDocument;

use crate::carried::NotCarried;
use crate::description::{Media, SessionDescription};

/// The only stream that can be carried, or the first leg of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen<'a> {
    /// The stream.
    pub media: &'a Media,
    /// Its format.
    pub carried: FormatDocument,
    /// The other legs of it (ST 2022-7), in order.
    pub legs: Vec<&'a Media>,
}

/// Why no stream can be chosen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoneChosen {
    /// No stream is of an essence that is carried.
    #[error(
        "it describes no video (raw/90000, jxsv/90000), no audio (L16, L24, AM824) and no ancillary data (smpte291/90000)"
    )]
    None,
    /// Several streams are, and they are not legs of one.
    #[error("it describes {0} streams that could be carried: leave the one that is wanted")]
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
        let all = self.media.iter();
        let streams = all.filter_map(|media| Some((media, media.carried()?)));
        let mut streams: Vec<_> = streams.collect();
        let count = streams.len();
        if count == 0 {
            return Err(NoneChosen::None);
        }
        let (media, carried) = streams.remove(0);
        if !streams.iter().all(|(other, _)| self.are_legs(media, other)) {
            return Err(NoneChosen::Several(count));
        }
        Ok(Chosen {
            media,
            carried: carried?,
            legs: streams.into_iter().map(|(media, _)| media).collect(),
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
