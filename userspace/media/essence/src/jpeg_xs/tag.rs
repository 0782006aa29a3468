//! Tags of received units: which field it is, and how many bytes it has. A unit to send has its field only.

use crate::video::Field;

/// Bits of the field.
const FIELD_BITS: u32 = 2;

/// The tag of a unit of `bytes` bytes, at most [`MAX_UNIT_BYTES`](crate::MAX_UNIT_BYTES).
#[must_use]
pub fn of(field: Option<Field>, bytes: usize) -> u32 {
    let bytes = u32::try_from(bytes).unwrap_or(0) << FIELD_BITS;
    Field::tag(field) | bytes
}

/// The field of a unit.
#[must_use]
pub const fn field(tag: u32) -> Option<Field> {
    Field::of_tag(tag & ((1 << FIELD_BITS) - 1))
}

/// Bytes of a unit that was received; `None`: all of its memory.
#[must_use]
pub const fn bytes(tag: u32) -> Option<usize> {
    match tag >> FIELD_BITS {
        0 => None,
        bytes => Some(bytes as usize),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_of_a_field_and_bytes_then_both_are_read() {
        for of_field in [None, Some(Field::First), Some(Field::Second)] {
            for length in [1, 259_264, crate::MAX_UNIT_BYTES as usize] {
                let tag = of(of_field, length);
                assert_eq!((field(tag), bytes(tag)), (of_field, Some(length)));
            }
            assert_eq!(bytes(Field::tag(of_field)), None);
        }
        assert_eq!(field(3), None);
    }
}
