//! The format of a stream, as far as its packets show it: a file for each essence.

mod compressed;
mod data;
mod picture;
mod sound;

use crate::SeenFormat;
use crate::survey::stream::Survey;

impl Survey {
    /// The format of what is surveyed, as far as its packets show it.
    #[must_use]
    pub fn seen(&self) -> SeenFormat {
        let seen = self.sound().map(SeenFormat::Audio);
        let seen = seen.or_else(|| self.data().map(SeenFormat::Ancillary));
        let seen = seen.or_else(|| self.compressed().map(SeenFormat::JpegXs));
        seen.unwrap_or_else(|| self.picture().into())
    }
}
