//! Building blocks of the documents of all essences.

pub(crate) mod changes;
mod declared;
pub mod invalid;
pub mod objects;
pub mod rows;
pub mod whole;
pub(crate) mod words;
