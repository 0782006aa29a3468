//! Measured values and what is told of them.

use onair_ipc::sys;

/// Parts that a series is cut into to see how it drifts while it is taken.
const BLOCKS: usize = 10;

/// Measured values, all of them kept, in the order in which they were taken: percentiles are exact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples {
    taken: Vec<f64>,
}

impl Samples {
    pub(crate) const fn new() -> Self {
        Self { taken: Vec::new() }
    }

    pub(crate) fn push(&mut self, value: f64) {
        self.taken.push(value);
    }

    pub(crate) fn len(&self) -> usize {
        self.taken.len()
    }

    pub(crate) fn sum(&self) -> f64 {
        self.taken.iter().sum()
    }

    /// What is told of them.
    pub(crate) fn ranks(&self) -> Ranks {
        let mut sorted = self.taken.clone();
        sorted.sort_by(f64::total_cmp);
        Ranks(sorted)
    }

    /// Medians of up to ten parts of the series, in the order in which they were taken.
    pub(crate) fn block_medians(&self) -> Vec<f64> {
        let blocks = BLOCKS.min(self.taken.len()).max(1);
        let size = self.taken.len().div_ceil(blocks).max(1);
        let median = |block: &[f64]| block.iter().copied().collect::<Self>().ranks().median();
        self.taken.chunks(size).map(median).collect()
    }
}

/// The same number, to 53 bits.
#[expect(clippy::cast_precision_loss, reason = "three figures are meant")]
pub(crate) fn float(number: u64) -> f64 {
    number as f64
}

/// The microseconds of a span in nanoseconds.
pub(crate) fn micros(ns: u64) -> f64 {
    float(ns) / 1e3
}

/// Microseconds since `begin_ns` (CLOCK_MONOTONIC).
pub(crate) fn micros_since(begin_ns: u64) -> f64 {
    micros(sys::monotonic_ns().saturating_sub(begin_ns))
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        Self {
            taken: values.into_iter().collect(),
        }
    }
}

/// The values in order.
#[derive(Clone, Debug)]
pub(crate) struct Ranks(Vec<f64>);

impl Ranks {
    /// The value that `per_mille` of 1000 samples do not exceed (nearest rank). NaN without samples.
    pub(crate) fn per_mille(&self, per_mille: usize) -> f64 {
        self.per_ten_thousand(10 * per_mille)
    }

    /// The same of 10,000 samples.
    pub(crate) fn per_ten_thousand(&self, share: usize) -> f64 {
        let rank = (share * self.0.len()).div_ceil(10_000);
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN)
    }

    pub(crate) fn median(&self) -> f64 {
        self.per_mille(500)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn per_mille_ranks_then_exact() {
        let samples: Samples = (1..=1000).rev().map(f64::from).collect();
        let ranks = samples.ranks();
        assert_eq!(ranks.per_mille(500), 500.0);
        assert_eq!(ranks.per_mille(990), 990.0);
        assert_eq!(ranks.per_mille(999), 999.0);
        assert_eq!(ranks.per_mille(1000), 1000.0);
        assert!(Samples::default().ranks().per_mille(500).is_nan());
        let mut one = Samples::default();
        one.push(2.0);
        one.push(1.0);
        let one = one.ranks();
        assert_eq!((one.per_mille(500), one.per_mille(990)), (1.0, 2.0));
    }

    #[test]
    fn block_medians_series_that_drifts_then_shows_it() {
        let samples: Samples = (0..100).map(|at| f64::from(at / 50)).collect();
        let medians = samples.block_medians();
        assert_eq!(medians.len(), 10);
        assert_eq!((medians[0], medians[9]), (0.0, 1.0));
        let few: Samples = [3.0, 1.0].into_iter().collect();
        assert_eq!(few.block_medians(), [3.0, 1.0]);
    }
}
