//! What occurs in a stream: what most of it says, a few odd packets do not change.

use onair_mutant::mutant;

/// Values that are told apart.
const MOST: usize = 8;

/// The first eight values that occurred, and how often each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kinds<T> {
    found: [Option<(T, u64)>; MOST],
    total: u64,
}

impl<T> Default for Kinds<T> {
    fn default() -> Self {
        let (found, total) = ([const { None }; MOST], 0);
        Self { found, total }
    }
}

impl<T: PartialEq> Kinds<T> {
    pub(crate) fn add(&mut self, value: T) {
        self.total += 1;
        let is_its = |it: &&mut Option<(T, u64)>| it.as_ref().is_none_or(|it| it.0 == value);
        if let Some(place) = self.found.iter_mut().find(is_its) {
            place.get_or_insert((value, 0)).1 += 1;
        }
    }

    pub(crate) fn occurred(&self) -> impl Iterator<Item = (&T, u64)> {
        self.found.iter().flatten().map(|it| (&it.0, it.1))
    }

    /// The most frequent one, the first found of equals, and how often it occurred.
    pub(crate) fn usual(&self) -> Option<(&T, u64)> {
        self.occurred().reduce(|best, it| {
            let is_more = it.1 > best.1 && !mutant!("survey: the first packet says what it is");
            if is_more { it } else { best }
        })
    }

    /// What nearly all are, if they are alike.
    pub(crate) fn nearly_all(&self) -> Option<&T> {
        let (usual, times) = self.usual()?;
        (8 * times >= 7 * self.total).then_some(usual)
    }

    /// How often any occurred.
    pub(crate) const fn total(&self) -> u64 {
        self.total
    }
}
