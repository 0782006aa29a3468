//! Fields of interlaced video, and the tags of buffers that name them.

/// A field of an interlaced frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Lines 0, 2, 4, … of the frame, the earlier ones.
    First,
    /// Lines 1, 3, 5, …
    Second,
}

/// Tags of the units of video.
pub mod tag {
    /// A whole frame.
    pub const FRAME: u32 = 0;
    /// The first field of a frame.
    pub const FIRST_FIELD: u32 = 1;
    /// The second field of a frame.
    pub const SECOND_FIELD: u32 = 2;
}

impl Field {
    /// The tag of a buffer with this field, or with a whole frame.
    #[must_use]
    pub const fn tag(field: Option<Self>) -> u32 {
        match field {
            None => tag::FRAME,
            Some(Self::First) => tag::FIRST_FIELD,
            Some(Self::Second) => tag::SECOND_FIELD,
        }
    }

    /// The field that a tag names. Any other one, which only a client can have written, is a whole frame.
    #[must_use]
    pub const fn of_tag(tag: u32) -> Option<Self> {
        match tag {
            tag::FIRST_FIELD => Some(Self::First),
            tag::SECOND_FIELD => Some(Self::Second),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tag_of_any_number_then_a_field_or_a_whole_frame() {
        for field in [None, Some(Field::First), Some(Field::Second)] {
            assert_eq!(Field::of_tag(Field::tag(field)), field);
        }
        for tag in [3, 0x100, u32::MAX] {
            assert_eq!(Field::of_tag(tag), None);
        }
    }
}
