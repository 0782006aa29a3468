//! Enums whose values are words of a standard.

/// Declares an enum with its words.
macro_rules! words {
    ($(#[$meta:meta])* $name:ident { $($(#[doc = $doc:literal])+ $variant:ident $word:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum $name { $($(#[doc = $doc])+ $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The word in SDP.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl $crate::words::Word for $name {
            const ALL: &'static [Self] = Self::ALL;
            fn word(self) -> &'static str { self.as_str() }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
pub(crate) use words;

/// A value that descriptions write as a word.
pub trait Word: Copy + 'static {
    /// Every value.
    const ALL: &'static [Self];

    /// Its word.
    fn word(self) -> &'static str;

    /// The value of a word.
    fn of(text: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|it| it.word().eq_ignore_ascii_case(text))
    }

    /// All words, for a message.
    fn wanted() -> String {
        let words: Vec<_> = Self::ALL.iter().map(|it| it.word()).collect();
        match words[..] {
            [one] => one.to_owned(),
            _ => format!("one of {}", words.join(", ")),
        }
    }
}
