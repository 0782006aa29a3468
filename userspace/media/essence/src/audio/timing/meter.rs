//! Levels of a stream of any length, such as that of a file.

use super::AudioLevel;
use super::levels::Levels;
use super::true_peak::Interpolator;
use crate::audio::{AudioFormat, Coding};

/// Measures the level of each channel, from the first packet to the last one.
#[derive(Debug, Clone)]
pub struct AudioMeter {
    form: (Coding, usize),
    channels: u32,
    levels: Box<Levels>,
    between: Box<Interpolator>,
}

impl AudioMeter {
    /// A meter of audio in this format.
    #[must_use]
    pub fn new(format: &AudioFormat) -> Self {
        Self::of(format.coding(), format.sample_rate(), format.channels())
    }

    /// Of samples in this coding, so many a second, of 1 to 64 channels.
    #[must_use]
    pub fn of(coding: Coding, sample_rate: u32, channels: u32) -> Self {
        Self {
            form: (coding, (coding.bytes() * channels.max(1)) as usize),
            channels,
            levels: Box::default(),
            between: Box::new(Interpolator::new(sample_rate)),
        }
    }

    /// Adds the samples of a packet with this RTP timestamp.
    pub fn packet(&mut self, timestamp: u32, payload: &[u8]) {
        self.levels.add(self.form.0, self.form.1, payload);
        let packet = (timestamp, payload);
        self.levels
            .add_between(&mut self.between, self.form, packet);
    }

    /// Of each channel; none before a packet came.
    #[must_use]
    pub fn levels(&self) -> Vec<AudioLevel> {
        self.levels.of(self.channels)
    }
}
