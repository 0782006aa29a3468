//! Arguments that several commands share: options of every command, values that a text stands for, and
//! the flags of each essence, a file for each.
//!
//! Commands with their own arguments are in `command`, and the whole command line in `cli`.

mod ancillary;
mod audio;
pub(crate) mod essence;
pub(crate) mod jpeg_xs;
pub(crate) mod legs;
mod options;
pub(crate) mod parse;
mod video;

pub(crate) use options::Options;
