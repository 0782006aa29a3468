//! Smallest, mean and largest of a figure.

/// A figure over all its occurrences, with constant memory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    extremes: Extremes<i64>,
    sum: i128,
    total: u64,
}

impl Summary {
    /// Adds one occurrence.
    #[inline]
    pub fn add(&mut self, value: i64) {
        self.extremes.add(value);
        self.sum += i128::from(value);
        self.total += 1;
    }

    /// Adds `times` occurrences of 0.
    #[inline]
    pub fn add_zeros(&mut self, times: u64) {
        if times > 0 {
            self.add(0);
            self.total += times - 1;
        }
    }

    /// Occurrences.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.total
    }

    /// Smallest.
    #[must_use]
    pub fn min(&self) -> Option<i64> {
        Some(self.extremes.get()?.0)
    }

    /// Largest.
    #[must_use]
    pub fn max(&self) -> Option<i64> {
        Some(self.extremes.get()?.1)
    }

    /// Mean.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a mean for people")]
    pub fn mean(&self) -> Option<f64> {
        (self.total > 0).then(|| self.sum as f64 / self.total as f64)
    }
}

/// Smallest and largest; of no value the smallest is above the largest, so that adding one has no branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extremes<T> {
    least: T,
    most: T,
}

impl<T: Copy + Ord> Extremes<T> {
    #[inline]
    pub(super) fn add(&mut self, value: T) {
        self.add_range(value, value);
    }

    #[inline]
    pub(super) fn add_range(&mut self, least: T, most: T) {
        self.least = self.least.min(least);
        self.most = self.most.max(most);
    }

    pub(super) fn get(&self) -> Option<(T, T)> {
        (self.least <= self.most).then_some((self.least, self.most))
    }
}

impl Default for Extremes<i64> {
    fn default() -> Self {
        Self {
            least: i64::MAX,
            most: i64::MIN,
        }
    }
}

impl Default for Extremes<u64> {
    fn default() -> Self {
        Self {
            least: u64::MAX,
            most: u64::MIN,
        }
    }
}
