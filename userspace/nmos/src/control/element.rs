//! Identities of properties, methods and events.

use serde::{Deserialize, Serialize};

/// `NcElementId`: the level of the class that has the element, and its number there, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ElementId {
    /// Of a class: how many numbers its id has.
    pub level: u32,
    /// Of an element of the class.
    pub index: u32,
}

impl ElementId {
    /// That of the element at `at` of a class, from 0.
    pub(super) fn at(class: &[u32], at: usize) -> Self {
        let number = |it: usize| u32::try_from(it).unwrap_or(u32::MAX);
        Self {
            level: number(class.len()),
            index: number(at.saturating_add(1)),
        }
    }

    /// Its place in the elements of its class, from 0.
    pub(super) fn place(self) -> Option<usize> {
        usize::try_from(self.index.checked_sub(1)?).ok()
    }
}
