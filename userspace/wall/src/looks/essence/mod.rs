//! What can be shown of each essence.

mod picture;
mod sound;

use std::time::Duration;

use onair::{AudioView, Buffer, Contents, Session};
use onair_essence::EssenceKind;

pub use picture::{Painter, Pixels};
pub use sound::Level;
use sound::Meter;

use super::Seen;

/// What a buffer gave.
#[derive(Debug)]
pub(super) enum Given {
    /// Pixels, to be compressed once the turn is over, and what is told of them.
    Pixels(Pixels, Seen),
    /// What needs no more work.
    Look(Seen),
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
            _ if session.is_sender() => Err("It sends: a receiver has the picture.".to_owned()),
            Contents::Video(layout) => Painter::new(*layout).map(Self::Picture),
            Contents::Audio(format) => Ok(Self::Sound(Meter::new(format))),
            Contents::JpegXs(_) => Err("JPEG XS is not decoded.".to_owned()),
            Contents::Ancillary(_) => Err("Data has no picture.".to_owned()),
        }
    }

    /// Time from one buffer to the next.
    pub(super) fn unit(&self) -> Duration {
        match self {
            Self::Picture(painter) => painter.unit(),
            Self::Sound(meter) => meter.unit(),
        }
    }

    /// Reads a buffer: all of a block of sound; of a picture nothing, unless a look is due.
    pub(super) fn read(
        &mut self,
        buffer: &Buffer<'_, Contents>,
        is_due: bool,
        width: u16,
    ) -> Option<Given> {
        match self {
            Self::Picture(painter) if is_due => {
                let pixels = painter.copy(buffer, width)?;
                let seen = Seen::Picture {
                    number: buffer.number(),
                    complete: buffer.status().is_complete(),
                    size: pixels.size,
                };
                Some(Given::Pixels(pixels, seen))
            }
            Self::Picture(_) => None,
            Self::Sound(meter) => {
                if let Contents::Audio(format) = buffer.layout() {
                    meter.add(AudioView::new(format, buffer));
                }
                let levels = is_due.then(|| meter.take())??;
                Some(Given::Look(Seen::Sound { levels }))
            }
        }
    }
}
