//! The headers of a unit: its boxes (ISO/IEC 21122-3) and that of its codestream (ISO/IEC 21122-1), read and written. The
//! coded picture behind them is not read.

mod boxes;
mod error;
mod header;
mod names;
mod picture;
mod writer;

pub use boxes::{BoxSamples, Boxes};
pub use error::HeaderError;
pub use header::{Component, UnitHeader};
pub use names::{level_number, profile_name, profile_number, sublevel_bits, sublevel_number};
pub use picture::Structure;
pub use writer::boxes_of;
pub(crate) use writer::{END, Written, slice_header, write};

/// Most bytes of a unit that are looked at for its headers.
pub const HEAD_BYTES: usize = 1_024;

/// Start of a codestream.
const START: u16 = 0xff10;
/// Capabilities.
const CAPABILITIES: u16 = 0xff50;
/// Picture header.
const PICTURE: u16 = 0xff12;
/// Component table.
const COMPONENTS: u16 = 0xff13;
/// Weights table.
const WEIGHTS: u16 = 0xff14;
/// Slice header.
pub(crate) const SLICE: u16 = 0xff20;
