//! One of the two legs.

use crate::rtp::PayloadTypes;

/// One of the two legs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leg {
    /// The leg of the session's own port.
    First,
    /// The other.
    Second,
}

impl Leg {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::First, Self::Second];

    pub(super) const fn other(self) -> Self {
        match self {
            Self::First => Self::Second,
            Self::Second => Self::First,
        }
    }

    pub(super) const fn payload_type(self, types: PayloadTypes) -> u8 {
        match self {
            Self::First => types.first,
            Self::Second => types.second,
        }
    }

    pub(super) const fn bit(self) -> u8 {
        1 << self as u8
    }
}
