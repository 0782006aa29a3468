//! Pictures or sound of each essence.

mod picture;

use std::time::Duration;

use onair::{AudioView, Buffer, Contents, Session};
use onair_essence::EssenceKind;
use onair_essence::audio::AudioFormat;
use serde::Serialize;

use super::LookContent;

pub use picture::{Painter, Pixels};

/// The lowest level that is told, in dB of full scale.
const LOWEST: f32 = -90.0;
/// Channels that a meter has; more are not shown.
const CHANNELS: usize = 16;

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

/// How loud a channel is, in dB of full scale.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Level {
    /// The highest sample.
    pub peak: f32,
    /// The mean power.
    pub rms: f32,
}

/// Measures blocks.
#[derive(Debug)]
pub(in crate::looks) struct Meter {
    unit: Duration,
    channels: usize,
    samples: Vec<f32>,
    count: u32,
    /// Of each channel: the highest sample, and the sum of squares.
    sums: Vec<(f32, f32)>,
}

impl Meter {
    fn new(format: &AudioFormat) -> Self {
        let channels = format.channels() as usize;
        let unit = Duration::from_nanos(format.nanos(format.block_samples().into()));
        Self {
            unit,
            channels,
            samples: vec![0.0; format.block_samples() as usize * channels],
            count: 0,
            sums: vec![(0.0, 0.0); channels.min(CHANNELS)],
        }
    }

    /// Time from one block to the next.
    pub(in crate::looks) const fn unit(&self) -> Duration {
        self.unit
    }

    /// Adds a block.
    pub(in crate::looks) fn add(&mut self, block: &Buffer<'_, Contents>) {
        let Contents::Audio(format) = block.layout() else {
            return;
        };
        let block = AudioView::new(format, block);
        let count = block.interleaved(&mut self.samples);
        for all in self.samples[..count].chunks_exact(self.channels) {
            self.count += 1;
            for ((peak, power), sample) in self.sums.iter_mut().zip(all) {
                *peak = peak.max(sample.abs());
                *power += sample * sample;
            }
        }
    }

    /// The levels since the last call; `None` without a sample.
    pub(in crate::looks) fn look(&mut self) -> Option<RawLook> {
        #[expect(clippy::cast_precision_loss, reason = "a mean, for a meter")]
        let count = std::mem::take(&mut self.count) as f32;
        let sums = self.sums.iter_mut().map(std::mem::take);
        let levels: Vec<_> = sums
            .map(|(peak, power)| Level {
                peak: decibels(peak),
                rms: decibels((power / count).sqrt()),
            })
            .collect();
        (count > 0.0).then_some(RawLook::Look(LookContent::Sound { levels }))
    }
}

/// To a tenth.
fn decibels(part: f32) -> f32 {
    let level = (200.0 * part.log10()).round() / 10.0;
    level.clamp(LOWEST, 20.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_silence_and_full_scale() {
        assert_eq!(decibels(0.0), LOWEST);
        assert_eq!(decibels(1.0), 0.0);
        assert_eq!(decibels(0.5), -6.0);
    }
}
