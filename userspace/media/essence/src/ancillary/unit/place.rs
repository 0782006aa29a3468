//! Where an ANC packet is in the video signal.

use crate::video::{Field, tag};

/// Bits of a line number.
const LINE: u16 = 0x7ff;
/// Bits of a horizontal offset.
const OFFSET: u16 = 0xfff;

/// The place of an ANC packet in the signal (RFC 8331 §2.1). The default is anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// In the colour difference channel, and not in that of the luma.
    pub is_chroma: bool,
    /// Line of the interface, 0 to 2047; [`Self::ANY_LINE`]: not specified.
    pub line: u16,
    /// Samples from the start of active video, 0 to 4095; [`Self::ANY_OFFSET`]: not specified.
    pub offset: u16,
    /// Stream of a multi-stream interface, 0 to 127, if it is known.
    pub stream: Option<u8>,
}

impl Place {
    /// Any line.
    pub const ANY_LINE: u16 = LINE;
    /// Any horizontal offset.
    pub const ANY_OFFSET: u16 = OFFSET;

    /// The place of the first 32 bits of an ANC packet.
    #[must_use]
    pub const fn of_bits(bits: u32) -> Self {
        let [a, b, c, d] = bits.to_be_bytes();
        Self {
            is_chroma: a & 0x80 != 0,
            line: u16::from_be_bytes([a, b]) >> 4 & LINE,
            offset: u16::from_be_bytes([b, c]) & OFFSET,
            stream: if d & 0x80 != 0 { Some(d & 0x7f) } else { None },
        }
    }

    /// The first 32 bits of an ANC packet. Higher bits of its fields do not go in.
    #[must_use]
    pub fn bits(self) -> u32 {
        let stream = self.stream.map_or(0, |it| 0x80 | it & 0x7f);
        u32::from(self.is_chroma) << 31
            | u32::from(self.line & LINE) << 20
            | u32::from(self.offset & OFFSET) << 8
            | u32::from(stream)
    }
}

impl Default for Place {
    fn default() -> Self {
        Self {
            is_chroma: false,
            line: Self::ANY_LINE,
            offset: Self::ANY_OFFSET,
            stream: None,
        }
    }
}

/// Meaning of F in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Signalled {
    /// Progressive, or not said.
    #[default]
    Frame,
    /// The first field.
    First,
    /// The second field.
    Second,
}

impl Signalled {
    /// Of the two bits; `None`: 01, which is invalid.
    #[must_use]
    pub const fn of_bits(bits: u8) -> Option<Self> {
        match bits & 3 {
            0 => Some(Self::Frame),
            2 => Some(Self::First),
            3 => Some(Self::Second),
            _ => None,
        }
    }

    /// The two bits.
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::Frame => 0,
            Self::First => 2,
            Self::Second => 3,
        }
    }

    /// The field.
    #[must_use]
    pub const fn field(self) -> Option<Field> {
        match self {
            Self::Frame => None,
            Self::First => Some(Field::First),
            Self::Second => Some(Field::Second),
        }
    }

    /// Meaning of a unit's tag: a frame, or one of its fields.
    #[must_use]
    pub const fn of_tag(tag: u32) -> Self {
        match tag {
            tag::FIRST_FIELD => Self::First,
            tag::SECOND_FIELD => Self::Second,
            _ => Self::Frame,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn place_of_any_bits_then_written_as_they_were(bits: u32) {
            let place = Place::of_bits(bits);
            let known = if place.stream.is_some() { u32::MAX } else { !0x7f };
            prop_assert_eq!(place.bits(), bits & known);
        }
    }

    #[test]
    fn place_by_default_then_not_specified() {
        assert_eq!(Place::default().bits(), 0x7fff_ff00);
    }

    #[test]
    fn field_of_two_bits_then_01_is_none() {
        assert_eq!(Signalled::of_bits(1), None);
        for bits in [0, 2, 3] {
            let field = Signalled::of_bits(bits).unwrap();
            assert_eq!(field.bits(), bits);
            assert_eq!(Signalled::of_tag(Field::tag(field.field())), field);
        }
    }
}
