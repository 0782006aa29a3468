//! Pictures or sound of each essence.

mod picture;
mod sound;

use onair::{Contents, Session};
use onair_essence::EssenceKind;

pub use picture::{Painter, Pixels};
pub use sound::Level;
use sound::Meter;

use super::LookContent;

/// A look taken from a session.
#[derive(Debug)]
pub(super) enum RawLook {
    /// Pixels, to be compressed once the turn is over, and their description.
    Pixels(Pixels, LookContent),
    /// A look that needs no more work.
    Look(LookContent),
}

/// Takes the looks out of a session's buffers.
#[derive(Debug)]
pub(super) enum Eye {
    Picture(Painter),
    Sound(Meter),
}

/// Whether sessions of this essence have something to show.
pub(crate) const fn is_shown(kind: EssenceKind) -> bool {
    matches!(kind, EssenceKind::Video | EssenceKind::Audio)
}

impl Eye {
    /// For a session.
    ///
    /// # Errors
    /// Why it is not shown, in a sentence.
    pub(super) fn of(session: &Session<Contents>) -> Result<Self, String> {
        match session.layout() {
            Contents::Video(layout) => Painter::new(*layout).map(Self::Picture),
            Contents::Audio(format) => Ok(Self::Sound(Meter::new(format))),
            Contents::JpegXs(_) => Err("JPEG XS is not decoded.".to_owned()),
            Contents::Ancillary(_) => Err("Data has no picture.".to_owned()),
        }
    }
}
