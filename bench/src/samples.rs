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

    /// The value that `percent` of the samples do not exceed (nearest rank). NaN without samples.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a rank between 0 and the number of samples"
    )]
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let rank = (percent / 100.0 * self.0.len() as f64).ceil() as usize;
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
    fn percentile__ranks__then_exact() {
        let samples: Samples = (1..=1000).rev().map(f64::from).collect();
        assert_eq!(samples.percentile(50.0), 500.0);
        assert_eq!(samples.percentile(99.0), 990.0);
        assert_eq!(samples.percentile(99.9), 999.0);
        assert_eq!(samples.percentile(100.0), 1000.0);
        assert!(Samples::default().percentile(50.0).is_nan());
        let mut one = Samples::default();
        one.push(2.0);
        one.push(1.0);
        assert_eq!((one.percentile(50.0), one.percentile(99.0)), (1.0, 2.0));
    }
}
