//! Texts of types that a document names by a word.

/// `text` that another process chose, for terminals and logs: `?` stands for each character that
/// controls them or is invisible.
#[must_use]
pub fn printable(text: &str) -> String {
    let shown = |c| if is_unprintable(c) { '?' } else { c };
    text.chars().map(shown).collect()
}

/// Whether `c` controls a terminal, the direction of the text, or has no width: control and format
/// characters (Unicode categories Cc and Cf), line and paragraph separators, and fillers.
#[must_use]
pub fn is_unprintable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{600}'..='\u{605}'
                | '\u{61c}'
                | '\u{6dd}'
                | '\u{70f}'
                | '\u{890}'..='\u{891}'
                | '\u{8e2}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{110bd}'
                | '\u{110cd}'
                | '\u{13430}'..='\u{1343f}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

/// The candidate that a user of `text` probably meant.
#[must_use]
pub fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let likeness = |it: &'a str| (strsim::jaro_winkler(text, it), it);
    let likely = candidates.into_iter().map(likeness);
    let likely = likely.filter(|(likeness, _)| *likeness > 0.8);
    let best = likely.max_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(best.1)
}

/// For the end of a message about a name that does not exist: the name that the user probably meant.
#[must_use]
pub fn did_you_mean<'a>(text: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(text, names).map_or_else(String::new, |name| format!(": did you mean {name:?}?"))
}

/// `as_str` and `Display` of an enum without fields, from its variants and their texts.
macro_rules! texts {
    ($type:ident: $($variant:ident $text:literal),+) => {
        impl $type {
            /// Its text.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}
pub(crate) use texts;

/// `From` and `TryFrom` between a type and `String`, for serde, from its `Display` and `FromStr`.
macro_rules! as_string {
    ($type:ty, $error:ty) => {
        impl From<$type> for String {
            fn from(it: $type) -> Self {
                it.to_string()
            }
        }

        impl TryFrom<String> for $type {
            type Error = $error;
            fn try_from(text: String) -> Result<Self, $error> {
                text.parse()
            }
        }
    };
}
pub(crate) use as_string;

/// Implements a name, which is a text with the checks of its `FromStr`.
macro_rules! name {
    ($type:ident, $error:ty) => {
        impl $type {
            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        crate::text::as_string! { $type, $error }
    };
}
pub(crate) use name;

/// Implements a reference in a path of the API: an id or a name, which never overlap.
macro_rules! reference {
    ($type:ident, $id:ty, $name:ty, $error:ident) => {
        impl $type {
            /// Whether it names what has this id and this name.
            #[must_use]
            pub fn names(&self, id: $id, name: &$name) -> bool {
                match self {
                    Self::Id(it) => *it == id,
                    Self::Name(it) => it == name,
                }
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                match self {
                    Self::Id(id) => id.fmt(f),
                    Self::Name(name) => name.fmt(f),
                }
            }
        }

        impl std::str::FromStr for $type {
            type Err = $error;
            fn from_str(text: &str) -> Result<Self, $error> {
                if crate::text::looks_like_id(text) {
                    return text.parse().map(Self::Id);
                }
                let name = text.parse().map(Self::Name);
                name.map_err(|_| $error::Ref(crate::text::shorten(text)))
            }
        }
    };
}
pub(crate) use reference;

/// Number of hex digits of an id in text.
const ID_DIGITS: usize = 16;

pub(crate) fn looks_like_id(text: &str) -> bool {
    text.len() == ID_DIGITS && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Keeps a message readable if a client sends a kilobyte as a name.
pub(crate) fn shorten(text: &str) -> String {
    const SHOWN: usize = 80;
    if text.chars().count() <= SHOWN {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(SHOWN).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::{did_you_mean, nearest, printable};

    #[test]
    fn printable_text_of_another_process_then_nothing_hidden_in_it() {
        for (text, shown) in [
            ("onair 1.0 (müller, 東京)", "onair 1.0 (müller, 東京)"),
            ("a\u{202e}cod", "a?cod"),
            ("a\u{2066}b\u{2069}", "a?b?"),
            ("\u{1b}[2Jx\n\u{9b}", "?[2Jx??"),
            ("ro\u{200b}ot\u{feff}\u{ad}", "ro?ot??"),
            ("\u{200f}\u{61c}\u{2028}\u{e0041}", "????"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn nearest_slip_of_the_pen_then_what_was_meant_and_else_nothing() {
        let names = ["studio-1", "studio-2", "camera", "x"];
        for (text, meant) in [
            ("studio-22", Some("studio-2")),
            ("stduio-1", Some("studio-1")),
            ("camer", Some("camera")),
            ("kamera", Some("camera")),
            ("multiviewer", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, names), meant, "{text}");
        }
        assert_eq!(nearest("camera", []), None);
        assert_eq!(
            did_you_mean("media", ["media0"]),
            ": did you mean \"media0\"?"
        );
        assert_eq!(did_you_mean("x", ["media0"]), "");
    }
}
