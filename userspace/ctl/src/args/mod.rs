//! Arguments that several commands share: options of every command, and values that a text stands for.
//!
//! Commands with their own arguments are in `command`, and the whole command line in `cli`.

mod options;
pub(crate) mod parse;

pub(crate) use options::Options;
