//! The level of a signal between its samples (ITU-R BS.1770, Annex 2): four times as many, interpolated.

/// Taps of each phase.
const TAPS: usize = 12;
/// Samples that are interpolated at once.
pub(super) const PART: usize = 48;

/// Two phases of the filter of BS.1770; the other two are these in reverse.
const PHASES: [[f32; TAPS]; 2] = [
    [
        0.001_708_984_4,
        0.010_986_328,
        -0.019_653_32,
        0.033_203_125,
        -0.059_448_242,
        0.137_329_1,
        0.972_167_97,
        -0.102_294_92,
        0.047_607_42,
        -0.026_611_328,
        0.014_892_578,
        -0.008_300_781,
    ],
    [
        -0.029_174_805,
        0.029_296_875,
        -0.051_757_813,
        0.089_111_33,
        -0.166_503_9,
        0.465_087_9,
        0.779_785_16,
        -0.200_317_38,
        0.101_562_5,
        -0.058_227_54,
        0.033_081_055,
        -0.018_920_898,
    ],
];

/// The last samples of a channel, in the scale of what is added.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Interpolator([f32; TAPS - 1]);

impl Interpolator {
    /// Largest magnitude between these samples, at most [`PART`], and those before.
    #[inline]
    pub(super) fn highest(&mut self, samples: &[f32]) -> f32 {
        let samples = &samples[..samples.len().min(PART)];
        let mut all = [0.0; PART + TAPS - 1];
        let (before, now) = all.split_at_mut(TAPS - 1);
        before.copy_from_slice(&self.0);
        now[..samples.len()].copy_from_slice(samples);
        let mut highest = 0.0_f32;
        for phase in &PHASES {
            let forth = convolved(&all, phase.iter());
            let back = convolved(&all, phase.iter().rev());
            for sums in [forth, back] {
                let own = sums[..samples.len()].iter();
                highest = own.fold(highest, |highest, sum| highest.max(sum.abs()));
            }
        }
        self.0.copy_from_slice(&all[samples.len()..][..TAPS - 1]);
        highest
    }
}

/// The samples of one phase.
#[inline]
fn convolved<'a>(all: &[f32; PART + TAPS - 1], taps: impl Iterator<Item = &'a f32>) -> [f32; PART] {
    let mut sums = [0.0; PART];
    for (at, tap) in taps.enumerate() {
        for (sum, sample) in sums.iter_mut().zip(&all[at..]) {
            *sum += tap * sample;
        }
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Largest magnitude of a sine, in decibels, that is added in parts of this size.
    fn level(cycles_a_sample: f64, phase: f64, part: usize) -> f64 {
        let mut interpolator = Interpolator::default();
        #[expect(clippy::cast_possible_truncation, reason = "samples")]
        let samples: Vec<_> = (0..480_u32)
            .map(|at| (std::f64::consts::TAU * (f64::from(at) * cycles_a_sample + phase)).sin())
            .map(|it| it as f32)
            .collect();
        // The start is no sine.
        interpolator.highest(&samples[..24]);
        let parts = samples[24..].chunks(part);
        let highest = parts.map(|it| f64::from(interpolator.highest(it)));
        20.0 * highest.fold(0.0, f64::max).log10()
    }

    /// As EBU Tech 3341 has it, cases 15 to 19.
    #[test]
    fn sines_between_samples_then_their_true_level() {
        for (cycles, phase) in [
            (0.25, 0.0),
            (0.25, 0.125),
            (1.0 / 6.0, 1.0 / 6.0),
            (0.125, 0.187),
        ] {
            let level = level(cycles, phase, PART);
            assert!((-0.4..=0.2).contains(&level), "{cycles} {phase}: {level}");
        }
    }

    #[test]
    fn samples_in_parts_of_any_size_then_the_same_level() {
        let whole = level(0.25, 0.125, PART);
        for part in [1, 5, 11, 12, 47] {
            let found = level(0.25, 0.125, part);
            assert!((found - whole).abs() < 1e-6, "{part}: {found} {whole}");
        }
    }
}
