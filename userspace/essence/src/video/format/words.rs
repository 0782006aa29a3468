//! Enums whose values are words.

/// Declares an enum whose values are words of a standard or of the API.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[$of:meta])+ $variant:ident $word:tt,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        pub enum $name { $($(#[$of])+ #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The value of a word.
            #[must_use]
            pub fn of_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|it| it.as_str() == word)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(super) use words;

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
