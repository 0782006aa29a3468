//! Smallest and largest of some values.

/// Smallest and largest; of no value the smallest is above the largest, so that adding one has no branch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extremes<T> {
    least: T,
    most: T,
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
