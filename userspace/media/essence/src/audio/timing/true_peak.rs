//! True peak: what the signal has between its samples (ITU-R BS.1770, Annex 2).

use crate::audio::Coding;
use crate::audio::samples::upper_bits;

/// Channels that have a true peak: the first ones. The work of a poller stays bounded.
pub(super) const TRUE_PEAKS: usize = 16;
/// A true peak of each of these channels, in units of a 24-bit sample.
pub(super) type TruePeaks = [f32; TRUE_PEAKS];

/// Samples that a point between samples depends on.
const TAPS: usize = 12;
/// Of those, samples of the packets before.
const KEPT: usize = TAPS - 1;
/// Samples of a channel that are filtered at once, and points that are computed side by side.
const PART: usize = 48;
const SIDE_BY_SIDE: usize = 8;
/// The standard's filter of 48 taps in four phases, in units of 1/8192.
const PHASES: [[f32; TAPS]; 4] = [
    [
        14., 90., -161., 272., -487., 1125., 7964., -838., 390., -218., 122., -68.,
    ],
    [
        -239., 240., -424., 730., -1364., 3810., 6388., -1641., 832., -477., 271., -155.,
    ],
    [
        -155., 271., -477., 832., -1641., 6388., 3810., -1364., 730., -424., 240., -239.,
    ],
    [
        -68., 122., -218., 390., -838., 7964., 1125., -487., 272., -161., 90., 14.,
    ],
];
const UNIT: f32 = 8192.0;

/// Computes points between samples of a stream that comes in packets: three or four for each sample up to 48 kHz, two at
/// 96 kHz. Samples on both sides of a gap are never filtered together.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Interpolator {
    /// Every which phase is computed.
    step: usize,
    /// Timestamp of the packet that follows the last one.
    next: Option<u32>,
    /// How many of the last samples there are since the last gap.
    kept: usize,
    last: [[f32; KEPT]; TRUE_PEAKS],
}

impl Interpolator {
    pub(super) const fn new(sample_rate: u32) -> Self {
        Self {
            step: if sample_rate > 48_000 { 2 } else { 1 },
            next: None,
            kept: 0,
            last: [[0.0; KEPT]; TRUE_PEAKS],
        }
    }

    /// The next packet follows none.
    pub(super) const fn restart(&mut self) {
        self.next = None;
    }

    /// Raises `peaks` to those of a packet. `sample_bytes`: of all channels.
    pub(super) fn add(
        &mut self,
        coding: Coding,
        sample_bytes: usize,
        (timestamp, payload): (u32, &[u8]),
        peaks: &mut TruePeaks,
    ) {
        if self.next != Some(timestamp) {
            self.kept = 0;
        }
        let bytes = coding.bytes() as usize;
        let channels = (sample_bytes / bytes).min(TRUE_PEAKS);
        let samples = u32::try_from(payload.len() / sample_bytes).unwrap_or(0);
        self.next = Some(timestamp.wrapping_add(samples));
        for part in payload.chunks(PART * sample_bytes) {
            let count = self.kept + part.len() / sample_bytes;
            let own = self.last[..channels].iter_mut().zip(peaks.iter_mut());
            for (channel, (last, peak)) in own.enumerate() {
                let mut line = [0.0; KEPT + PART];
                line[..self.kept].copy_from_slice(&last[..self.kept]);
                let all = part.chunks_exact(sample_bytes);
                for (place, all) in line[self.kept..].iter_mut().zip(all) {
                    let sample = &all[channel * bytes..][..bytes];
                    *place = in_24_bits(coding, sample);
                }
                let points = count.saturating_sub(KEPT);
                *peak = peak.max(highest(&line, points, self.step));
                let kept = count.min(KEPT);
                last[..kept].copy_from_slice(&line[count - kept..count]);
            }
            self.kept = count.min(KEPT);
        }
    }
}

/// The largest magnitude between samples, at the first `points` places where enough samples follow.
#[inline]
fn highest(line: &[f32; KEPT + PART], points: usize, step: usize) -> f32 {
    let mut highest = [0.0_f32; SIDE_BY_SIDE];
    for start in (0..points).step_by(SIDE_BY_SIDE) {
        let Some(window) = line[start..].first_chunk::<{ KEPT + SIDE_BY_SIDE }>() else {
            break;
        };
        let mut most = [0.0_f32; SIDE_BY_SIDE];
        for phase in PHASES.iter().step_by(step) {
            for (most, found) in most.iter_mut().zip(filtered(window, phase)) {
                *most = if found > *most { found } else { *most };
            }
        }
        // Beyond are no samples.
        let most = &most[..SIDE_BY_SIDE.min(points - start)];
        for (highest, most) in highest.iter_mut().zip(most) {
            *highest = highest.max(*most);
        }
    }
    highest.into_iter().fold(0.0, f32::max) / UNIT
}

/// Magnitudes of some points in a row.
#[inline]
fn filtered(window: &[f32; KEPT + SIDE_BY_SIDE], phase: &[f32; TAPS]) -> [f32; SIDE_BY_SIDE] {
    let mut sums = [0.0; SIDE_BY_SIDE];
    for (tap, weight) in phase.iter().rev().enumerate() {
        for (sum, sample) in sums.iter_mut().zip(&window[tap..]) {
            *sum += weight * sample;
        }
    }
    sums.map(f32::abs)
}

#[expect(clippy::cast_precision_loss, reason = "24 bits are exact")]
fn in_24_bits(coding: Coding, sample: &[u8]) -> f32 {
    (upper_bits(coding, sample) >> 8) as f32
}

#[cfg(test)]
mod tests {
    use std::f64::consts::{PI, SQRT_2};

    use super::*;

    const FULL: f64 = 8_388_607.0;

    fn bytes(samples: impl Iterator<Item = f64>) -> Vec<u8> {
        #[expect(clippy::cast_possible_truncation, reason = "24 bits")]
        let of = |it: f64| (it.round() as i32).to_be_bytes();
        samples.flat_map(|it| of(it).into_iter().skip(1)).collect()
    }

    /// In dBTP, of a channel of L24 in packets of so many samples.
    fn peak(sample_rate: u32, samples: &[u8], packet: usize) -> f64 {
        let mut interpolator = Interpolator::new(sample_rate);
        let mut peaks = [0.0; TRUE_PEAKS];
        let mut timestamp = u32::MAX - 100;
        for payload in samples.chunks(packet * 3) {
            interpolator.add(Coding::L24, 3, (timestamp, payload), &mut peaks);
            timestamp = timestamp.wrapping_add(u32::try_from(packet).unwrap());
        }
        assert!(peaks[1..].iter().all(|it| *it == 0.0));
        20.0 * (f64::from(peaks[0]) / (FULL + 1.0)).log10()
    }

    fn sine(divisor: f64, degrees: f64, amplitude: f64) -> Vec<u8> {
        let phase = |n: u32| 2.0 * PI * f64::from(n) / divisor + degrees * PI / 180.0;
        bytes((0..4800).map(|n| FULL * amplitude * phase(n).sin()))
    }

    #[test]
    fn sines_of_ebu_tech_3341_then_their_true_peaks() {
        // Its cases 15 to 19: +0.2 and -0.4 dB are allowed. Samples of the last but one reach -3.01 dBFS only.
        for (divisor, degrees, amplitude, expected) in [
            (4.0, 0.0, 0.5, -6.0),
            (4.0, 45.0, 0.5, -6.0),
            (6.0, 60.0, 0.5, -6.0),
            (8.0, 67.5, 0.5, -6.0),
            (4.0, 45.0, 1.0, 0.0),
            (4.0, 45.0, 0.997 * SQRT_2, 3.0),
        ] {
            let samples = sine(divisor, degrees, amplitude);
            for packet in [6, 48, 52] {
                let found = peak(48_000, &samples, packet);
                let near = expected - 0.4..expected + 0.2;
                assert!(near.contains(&found), "fs/{divisor} {degrees}°: {found}");
                assert_eq!(found, peak(48_000, &samples, 4800), "{packet} a packet");
            }
        }
        let found = peak(96_000, &sine(8.0, 67.5, 0.5), 96);
        assert!((-6.4..-5.8).contains(&found), "{found}");
    }

    #[test]
    fn hostile_samples_of_full_scale_then_a_bounded_true_peak() {
        // The signs of the largest phase, turned around: no other samples give more.
        let worst = PHASES[1].iter().rev().map(|it| it.signum());
        let worst: Vec<_> = worst.cycle().take(4800).map(f64::from).collect();
        let found = peak(48_000, &bytes(worst.iter().map(|it| it * FULL)), 48);
        assert!((6.1..6.13).contains(&found), "{found}");
        // AES3 words with all flags, in more channels than have a true peak.
        let mut interpolator = Interpolator::new(48_000);
        let mut peaks = [0.0; TRUE_PEAKS];
        for (from, byte) in [(0, 0xff), (6, 0x80), (12, 0x7f)] {
            let samples = [byte; 6 * 4 * 64];
            interpolator.add(Coding::Am824, 4 * 64, (from, &samples), &mut peaks);
        }
        assert!(peaks.iter().all(|it| it.is_finite()));
    }

    #[test]
    fn gap_between_packets_then_no_point_across_it() {
        let mut interpolator = Interpolator::new(48_000);
        let mut peaks = [0.0; TRUE_PEAKS];
        // Two constants: filtered together, their step would overshoot.
        for (timestamp, level) in [(0, 4e6), (48, 4e6), (200, -4e6), (248, -4e6)] {
            let samples = bytes([level; 48].into_iter());
            interpolator.add(Coding::L24, 3, (timestamp, &samples), &mut peaks);
        }
        assert!((3.99e6..4.01e6).contains(&peaks[0]), "{}", peaks[0]);
        let samples = bytes([4e6; 48].into_iter());
        interpolator.add(Coding::L24, 3, (296, &samples), &mut peaks);
        assert!(peaks[0] > 4.3e6, "{}", peaks[0]);
    }
}
