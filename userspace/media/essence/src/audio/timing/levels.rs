//! Level of each channel.

use serde::{Deserialize, Serialize};

use crate::audio::samples::upper_bits;
use crate::audio::{AudioFormat, Coding};

use super::true_peak::{Interpolator, TRUE_PEAKS, TruePeaks};

/// Numbers of the channels, as labels of metrics.
pub(super) const CHANNELS: [&str; AudioFormat::MAX_CHANNELS as usize] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17",
    "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32", "33",
    "34", "35", "36", "37", "38", "39", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49",
    "50", "51", "52", "53", "54", "55", "56", "57", "58", "59", "60", "61", "62", "63", "64",
];

/// Full scale of 24 bits.
const FULL_SCALE: f64 = 8_388_608.0;

/// The samples of one channel: largest magnitude, and the sum of squares, of 24 bits each.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Channel {
    peak: u32,
    squares: f64,
}

/// The samples of all channels in some time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Levels {
    channels: [Channel; AudioFormat::MAX_CHANNELS as usize],
    true_peaks: TruePeaks,
    samples: u64,
}

impl Default for Levels {
    fn default() -> Self {
        Self {
            channels: [Channel::default(); AudioFormat::MAX_CHANNELS as usize],
            true_peaks: [0.0; TRUE_PEAKS],
            samples: 0,
        }
    }
}

impl Levels {
    /// Adds the samples of a packet.
    #[inline]
    pub(super) fn add(&mut self, coding: Coding, sample_bytes: usize, payload: &[u8]) {
        let bytes = coding.bytes() as usize;
        for all in payload.chunks_exact(sample_bytes) {
            for (channel, sample) in self.channels.iter_mut().zip(all.chunks_exact(bytes)) {
                let magnitude = (upper_bits(coding, sample) >> 8).unsigned_abs();
                channel.peak = channel.peak.max(magnitude);
                channel.squares += f64::from(magnitude) * f64::from(magnitude);
            }
            self.samples += 1;
        }
    }

    /// Adds what is between the samples of a packet.
    #[inline]
    pub(super) fn add_between(
        &mut self,
        by: &mut Interpolator,
        (coding, sample_bytes): (Coding, usize),
        packet: (u32, &[u8]),
    ) {
        by.add(coding, sample_bytes, packet, &mut self.true_peaks);
    }

    /// Of the first `channels` channels; none before a packet came.
    pub(super) fn of(&self, channels: u32) -> Vec<AudioLevel> {
        if self.samples == 0 {
            return Vec::new();
        }
        let between = self.true_peaks.iter().map(Some);
        let between = between.chain(std::iter::repeat(None));
        let own = self.channels.iter().take(channels as usize).zip(between);
        own.map(|(it, between)| it.level(self.samples, between.copied()))
            .collect()
    }
}

impl Channel {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn level(&self, samples: u64, between: Option<f32>) -> AudioLevel {
        let mean_square = self.squares / samples as f64;
        let peak = f64::from(self.peak);
        // The filter gives no point at a sample.
        let true_peak = between.map(|it| f64::from(it).max(peak));
        AudioLevel {
            peak_hundredths: hundredths(peak),
            true_peak_hundredths: true_peak.and_then(hundredths),
            rms_hundredths: hundredths(mean_square.sqrt()),
        }
    }
}

/// A level in hundredths of dBFS; `None` of silence.
fn hundredths(amplitude: f64) -> Option<i32> {
    #[expect(clippy::cast_possible_truncation, reason = "612 to -15,000")]
    (amplitude > 0.0).then(|| (2000.0 * (amplitude / FULL_SCALE).log10()).round() as i32)
}

/// Level of a channel in the last second, in hundredths of a decibel below full scale; absent: silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AudioLevel {
    /// Of the largest sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_hundredths: Option<i32>,
    /// True peak in dBTP (ITU-R BS.1770): of the samples and of what is between them, 612 at most. Of the first 16 channels;
    /// absent: silence, or another channel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub true_peak_hundredths: Option<i32>,
    /// Root mean square: a sine of full scale has -301.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rms_hundredths: Option<i32>,
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_of_each_coding_then_the_same_levels() {
        for (coding, half, silence) in [
            (Coding::L16, &[0x40, 0][..], &[0, 0][..]),
            (Coding::L24, &[0xc0, 0, 0], &[0, 0, 0]),
            (Coding::Am824, &[0x18, 0x40, 0, 0], &[0x10, 0, 0, 0]),
        ] {
            let mut levels = Levels::default();
            let payload = [half, silence].concat().repeat(48);
            levels.add(coding, payload.len() / 48, &payload);
            let found: Vec<_> = levels
                .of(2)
                .iter()
                .map(|it| (it.peak_hundredths, it.rms_hundredths))
                .collect();
            assert_eq!(found, [(Some(-602), Some(-602)), (None, None)], "{coding}");
        }
        assert!(Levels::default().of(2).is_empty());
    }

    #[test]
    fn samples_of_full_scale_then_no_overflow() {
        let mut levels = Levels::default();
        // Longer than the sum of squares would fit into 64 bits.
        let payload = [0x80, 0, 0].repeat(600_000);
        levels.add(Coding::L24, 3, &payload);
        assert_eq!(levels.of(1)[0].rms_hundredths, Some(0));
        // The last channels have no true peak.
        let mut levels = Levels::default();
        levels.add(Coding::L24, 3 * 64, &[0x80; 3 * 64]);
        let of_all = levels.of(64);
        assert!(of_all.iter().all(|it| it.peak_hundredths.is_some()));
        let between = of_all.iter().filter(|it| it.true_peak_hundredths.is_some());
        assert_eq!(between.count(), TRUE_PEAKS);
    }
}
