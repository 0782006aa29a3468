//! From text to values, and back.

pub(crate) mod lines;
pub(crate) mod parse;
pub(crate) mod write;
