//! Measured values and their percentiles.

/// Measured values, all of them kept: percentiles are exact.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    pub(crate) fn push(&mut self, value: f64) {
        // Kept in order, so that reading needs no second pass.
        let at = self.0.partition_point(|&other| other <= value);
        self.0.insert(at, value);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The value that `per_mille` of 1000 samples do not exceed (nearest rank). NaN without samples.
    pub(crate) fn per_mille(&self, per_mille: usize) -> f64 {
        let rank = (per_mille * self.0.len()).div_ceil(1000);
        self.0
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or(f64::NAN)
    }
}

impl FromIterator<f64> for Samples {
    fn from_iter<T: IntoIterator<Item = f64>>(values: T) -> Self {
        let mut values: Vec<_> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;

    #[test]
    fn per_mille__ranks__then_exact() {
        let samples: Samples = (1..=1000).rev().map(f64::from).collect();
        assert_eq!(samples.per_mille(500), 500.0);
        assert_eq!(samples.per_mille(990), 990.0);
        assert_eq!(samples.per_mille(999), 999.0);
        assert_eq!(samples.per_mille(1000), 1000.0);
        assert!(Samples::default().per_mille(500).is_nan());
        let mut one = Samples::default();
        one.push(2.0);
        one.push(1.0);
        assert_eq!((one.per_mille(500), one.per_mille(990)), (1.0, 2.0));
    }
}
