//! Components of a picture.

use crate::video::{Chroma, Sampling};

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
