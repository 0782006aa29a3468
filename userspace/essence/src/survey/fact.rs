//! What a survey does not know yet.

use super::guess::Guess;
use super::stream::Survey;
use crate::document::words::words;

/// Markers after which a survey has seen each line of a frame, and some times of units.
pub(super) const ENOUGH_MARKERS: u64 = 4;

words! {
    /// A fact of a stream that more of its packets may show.
    Fact {
        /// What it carries.
        Essence "essence",
        /// Size and samples of the pictures: whole units must come.
        Picture "picture",
        /// Frames a second.
        FrameRate "frame_rate",
    }
}

impl Survey {
    /// What more packets may show. Empty: what is not seen now is in no packet.
    #[must_use]
    pub fn not_yet_known(&self) -> &'static [Fact] {
        match Guess::of(self) {
            Guess::Unknown => &[Fact::Essence],
            Guess::Video | Guess::JpegXs if !self.has_units() => &[Fact::Picture, Fact::FrameRate],
            Guess::Ancillary if !self.has_units() => &[Fact::FrameRate],
            _ => &[],
        }
    }

    /// Whether some units have come: whole ones of pictures, or times of ancillary data, which may have no markers.
    pub(super) fn has_units(&self) -> bool {
        let times = match Guess::of(self) {
            Guess::Ancillary => self.steps().sum().1,
            _ => 0,
        };
        self.markers().max(times) >= ENOUGH_MARKERS
    }
}
