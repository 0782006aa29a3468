//! What has changed and was not told yet.

use std::collections::BTreeMap;

use crate::control::ElementId;

/// A property has a new value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    /// Of this object.
    pub oid: u32,
    /// Of this property.
    pub property: ElementId,
}

/// Changes in their order, each property once and without its value: so much is kept at most, however often it changes.
#[derive(Debug, Default)]
pub(in crate::control) struct Changes {
    all: BTreeMap<Change, u64>,
    last: u64,
}

impl Changes {
    pub(in crate::control) fn note(&mut self, change: Change) {
        self.last += 1;
        self.all.entry(change).or_insert(self.last);
    }

    pub(in crate::control) fn retain(&mut self, keeps: impl Fn(&Change) -> bool) {
        self.all.retain(|it, _| keeps(it));
    }

    pub(in crate::control) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The first so many, which are told now.
    pub(in crate::control) fn take(&mut self, most: usize) -> Vec<Change> {
        let mut all: Vec<_> = self.all.iter().map(|(it, at)| (*at, *it)).collect();
        all.sort_unstable();
        all.truncate(most);
        let all: Vec<_> = all.into_iter().map(|(_, it)| it).collect();
        all.iter().for_each(|it| {
            self.all.remove(it);
        });
        all
    }
}
