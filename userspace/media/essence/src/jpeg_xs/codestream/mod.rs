//! The headers of a unit: its boxes (ISO/IEC 21122-3) and that of its codestream (ISO/IEC 21122-1), read and written. The
//! coded picture behind them is not read.

mod boxes;
mod header;
mod names;
mod writer;

use crate::video::{Chroma, Sampling};

pub use boxes::{BoxSamples, Boxes};
pub use header::{Component, UnitHeader};
pub use names::{level_number, profile_name, profile_number, sublevel_bits, sublevel_number};
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

/// How the components of a picture are sampled: the first, and the two after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Structure {
    /// One component.
    Single,
    /// Three, alike.
    Full,
    /// Two of three have half of the samples of a line.
    Half,
    /// Two of three have half of the samples of a line, and half of the lines.
    Quarter,
}

impl Structure {
    /// The components of a picture with this sampling.
    #[must_use]
    pub const fn of(sampling: Sampling) -> Self {
        match sampling.chroma() {
            Chroma::None => Self::Single,
            Chroma::Full => Self::Full,
            Chroma::Half => Self::Half,
            Chroma::Quarter => Self::Quarter,
        }
    }

    /// The steps of each component: one of its samples has so many pixels, and so many lines.
    #[must_use]
    pub const fn steps(self) -> &'static [(u8, u8)] {
        match self {
            Self::Single => &[(1, 1)],
            Self::Full => &[(1, 1), (1, 1), (1, 1)],
            Self::Half => &[(1, 1), (2, 1), (2, 1)],
            Self::Quarter => &[(1, 1), (2, 2), (2, 2)],
        }
    }

    /// The usual sampling.
    #[must_use]
    pub const fn sampling(self) -> Sampling {
        match self {
            Self::Single => Sampling::Key,
            Self::Full => Sampling::YCbCr444,
            Self::Half => Sampling::YCbCr422,
            Self::Quarter => Sampling::YCbCr420,
        }
    }

    /// Its number in the video information box; `None`: it has none.
    pub(crate) const fn number(self) -> Option<u8> {
        match self {
            Self::Half => Some(0),
            Self::Full => Some(1),
            Self::Quarter => Some(2),
            Self::Single => None,
        }
    }
}

/// Why bytes have no header of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HeaderError {
    /// The bytes end within the header.
    #[error("the header is not whole")]
    Short,
    /// A box whose length or contents are wrong.
    #[error("a box is wrong")]
    Box,
    /// Another marker than the one that has to follow, or a wrong length.
    #[error("marker {0:04x} is wrong there")]
    Marker(u16),
    /// A value that no picture has.
    #[error("a value of the picture header is wrong")]
    Value,
}
