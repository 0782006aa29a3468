//! What the documents of all essences are made of.

pub mod invalid;
pub mod objects;
pub mod rows;
pub mod whole;
pub(crate) mod words;
