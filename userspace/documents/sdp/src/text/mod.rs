//! From text to values, and back.

mod addresses;
mod attributes;
mod coding;
pub(crate) mod lines;
pub(crate) mod parse;
mod unread;
pub(crate) mod write;
