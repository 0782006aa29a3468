//! Arguments that several commands share: options of every command, values that a text stands for, and
//! the flags of each essence, a file for each.
//!
//! Commands with their own arguments are in `command`, and the whole command line in `cli`.

mod options;
pub(crate) mod parse;
pub(crate) mod video;

pub(crate) use options::Options;
// One essence is carried. With the second one this is a module that asks each.
pub(crate) use video as essence;
