//! The order of the lines.

use crate::document::words::words;

words! {
    /// Order of the lines.
    #[derive(Default)]
    Scan {
        /// Whole frames.
        #[default]
        Progressive "progressive",
        /// Two fields of different times a frame. Each buffer is a field.
        Interlaced "interlaced",
        /// Progressive segmented frames: whole frames, sent as two segments like fields.
        Psf "psf",
    }
}

/// A field of an interlaced frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// Lines 0, 2, 4, … of the frame, the earlier ones.
    First,
    /// Lines 1, 3, 5, …
    Second,
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

/// Tags of the units of video.
pub mod tag {
    /// A whole frame.
    pub const FRAME: u32 = 0;
    /// The first field of a frame.
    pub const FIRST_FIELD: u32 = 1;
    /// The second field of a frame.
    pub const SECOND_FIELD: u32 = 2;
}

#[cfg(test)]
#[cfg(feature = "openapi")]
mod tests {
    use utoipa::PartialSchema;
    use utoipa::openapi::{RefOr, Schema};

    use super::super::{Sampling, SenderType};
    use super::*;

    fn described<T: PartialSchema>() -> Vec<String> {
        let RefOr::T(Schema::Object(object)) = T::schema() else {
            panic!("an enum of texts");
        };
        let values = object.enum_values.unwrap();
        let values = values.iter().map(|it| it.as_str().unwrap().to_owned());
        values.collect()
    }

    #[test]
    fn words_in_the_api_description_then_those_that_it_takes() {
        let words: Vec<_> = Sampling::ALL.iter().map(|it| it.as_str()).collect();
        assert_eq!(described::<Sampling>(), words);
        assert_eq!(
            described::<SenderType>(),
            ["narrow", "narrow_linear", "wide"]
        );
    }

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
