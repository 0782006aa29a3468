//! From text to values, and back.

mod addresses;
mod attributes;
mod coding;
mod decode;
pub(crate) mod lines;
pub(crate) mod parse;
mod unread;
pub(crate) mod write;
