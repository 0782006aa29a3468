//! What a stream carries, as far as its packets show it: a file for each essence.

mod data;
mod picture;
mod sound;

use crate::SeenFormat;
use crate::survey::stream::Survey;

impl Survey {
    /// The format of what is surveyed, as far as its packets show it.
    #[must_use]
    pub fn seen(&self) -> SeenFormat {
        match (self.sound(), self.data()) {
            (Some(sound), _) => SeenFormat::Audio(sound),
            (None, Some(data)) => SeenFormat::Ancillary(data),
            (None, None) => self.picture().into(),
        }
    }
}
