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

#[cfg(test)]
#[cfg(feature = "openapi")]
mod tests {
    use utoipa::PartialSchema;
    use utoipa::openapi::{RefOr, Schema};

    use super::super::{Sampling, SenderType};

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
}
