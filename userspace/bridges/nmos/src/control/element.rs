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
