//! The flags of all essences together, and the parts of documents that they stand for.
//!
//! Each essence has a file with its name in documents, which knows its flags and its fields; other files pass
//! [`Fields`] on.

use clap::Args;
use onair_api::Arriving;
use onair_essence::SeenFormat;
use serde::Serialize;
use serde_json::{Map, Value, json};

/// The part of a document that an essence has, such as `{"video": {…}}`.
pub(crate) type Fields = Map<String, Value>;

/// What a session may have instead of the flags of a format.
const INSTEAD: [&str; 4] = ["file", "sdp", "from", "like_what_arrives"];

/// Flags that say a frame rate, which a description may lack.
const OF_RATE: [&str; 3] = ["rate", "ancillary", "fields"];

/// Flags of the format that a description has.
pub(crate) fn of_description() -> Vec<&'static str> {
    let all = of_format().into_iter();
    all.filter(|it| !OF_RATE.contains(it)).collect()
}

macro_rules! declare {
    ([$(#[$first_doc:meta])+ $first_name:ident $first:ident $first_types:tt;
      $($(#[$doc:meta])+ $name:ident $field:ident $types:tt;)*]) => {
        // An example of one, the smallest format, and what a user says of a stream whose essence is unknown.
        pub(crate) use super::$first::{ANALYZE_EXAMPLE, AnalyzeFlags, IN_A_FILE, PictureSize};
        use super::$first;
        $(use super::$field;)*

        /// Flags of `session create`.
        #[derive(Debug, Args)]
        #[group(skip)]
        pub(crate) struct Flags {
            #[command(flatten)]
            $first: $first::Flags,
            $(#[command(flatten)] $field: $field::Flags,)*
        }

        /// Flags of `session retarget`.
        #[derive(Debug, Args)]
        #[group(skip)]
        pub(crate) struct TimingFlags {
            #[command(flatten)]
            $first: $first::TimingFlags,
            $(#[command(flatten)] $field: $field::TimingFlags,)*
        }

        impl Flags {
            /// The format by the flags.
            pub(crate) fn format(&self) -> Fields {
                $(if self.$field.is_given() {
                    return part(stringify!($field), self.$field.format());
                })*
                part(stringify!($first), self.$first.format())
            }

            /// Puts what the flags say of the packets over `format`.
            pub(crate) fn put_packets(&self, format: &mut Fields) {
                for (name, format) in format {
                    match name.as_str() {
                        $(stringify!($field) => self.$field.put_packets(format),)*
                        _ => self.$first.put_packets(format),
                    }
                }
            }
        }

        impl TimingFlags {
            /// The timing by the flags over that of a description.
            pub(crate) fn over(&self, described: Option<Fields>) -> Fields {
                let mut timing = described.unwrap_or_default();
                let mut put = |name: &str, flags: Value| {
                    let Value::Object(flags) = flags else { return };
                    if flags.is_empty() {
                        return;
                    }
                    let fields = timing.entry(name).or_insert_with(|| json!({}));
                    for (key, value) in flags {
                        fields[key] = value;
                    }
                };
                put(stringify!($first), self.$first.fields());
                $(put(stringify!($field), self.$field.fields());)*
                timing
            }
        }

        /// Fields of a session, each with its flag.
        pub(crate) fn flags() -> Vec<(&'static str, &'static str)> {
            [$first::FLAGS, $($field::FLAGS,)*].concat()
        }

        /// Flags of the format: a description has it, and packets show it.
        pub(crate) fn of_format() -> Vec<&'static str> {
            [$first::OF_FORMAT, $($field::OF_FORMAT,)*].concat()
        }

        /// Flags that neither a converted session nor a file takes.
        pub(crate) fn of_all() -> Vec<&'static str> {
            of_others("")
        }

        /// Flags of all essences but the one of this name: its first flag takes none beside it.
        pub(super) fn of_others(essence: &str) -> Vec<&'static str> {
            let all = [
                (stringify!($first), [$first::OF_FORMAT, $first::OF_PACKETS, $first::OF_TIMING]),
                $((stringify!($field), [$field::OF_FORMAT, $field::OF_PACKETS, $field::OF_TIMING]),)*
            ];
            let others = all.into_iter().filter(|(name, _)| *name != essence);
            others.flat_map(|(_, flags)| flags.concat()).collect()
        }

        /// Flags of the packets' timing.
        pub(crate) fn of_timing() -> Vec<&'static str> {
            [$first::OF_TIMING, $($field::OF_TIMING,)*].concat()
        }

        /// What stands instead of the flags of the format of `essence`: among it the first flag of another.
        pub(super) fn instead_of(essence: &str) -> Vec<&'static str> {
            let all = [(stringify!($first), $first::FIRST), $((stringify!($field), $field::FIRST),)*];
            let others = all.into_iter().filter(|(name, _)| *name != essence);
            INSTEAD.into_iter().chain(others.map(|(_, flag)| flag)).collect()
        }

        /// Examples of `session create`.
        pub(crate) fn examples() -> String {
            [$first::EXAMPLES, $($field::EXAMPLES,)*].join("\n")
        }

        /// Examples of converted sessions.
        pub(crate) fn converted_examples() -> String {
            [$first::CONVERTED_EXAMPLES, $($field::CONVERTED_EXAMPLES,)*].join("\n").trim_end().to_owned()
        }

        /// The smallest format: a session with it measures what arrives, whatever that is.
        pub(crate) fn smallest() -> Fields {
            part(stringify!($first), $first::smallest())
        }

        /// The parts of a document of the API.
        pub(crate) fn of_document(document: &Value) -> Fields {
            let names = [stringify!($first), $(stringify!($field),)*];
            let given = names.into_iter().filter_map(|name| Some((name, document.get(name)?)));
            given.map(|(name, format)| (name.to_owned(), format.clone())).collect()
        }

        /// The timing that a description says, for a session that has the same format.
        ///
        /// # Errors
        /// What is wrong with the description, named `shown`: another format among it.
        pub(crate) fn described_timing(
            shown: &str,
            described: &Fields,
            own: &Fields,
        ) -> Result<Fields, String> {
            let mut timing = Fields::new();
            for (name, own) in own {
                let described = described.get(name).ok_or_else(|| format!("{shown} describes no {name}"))?;
                let of_essence = match name.as_str() {
                    $(stringify!($field) => $field::described_timing(shown, described, own)?,)*
                    _ => $first::described_timing(shown, described, own)?,
                };
                timing.insert(name.clone(), of_essence);
            }
            Ok(timing)
        }

        /// The format of what arrives.
        ///
        /// # Errors
        /// What the packets do not show.
        pub(crate) fn arriving(arriving: &Arriving) -> Result<Fields, String> {
            match &arriving.format {
                SeenFormat::$first_name(it) => Ok(part(stringify!($first), $first::arriving(it)?)),
                $(SeenFormat::$name(it) => Ok(part(stringify!($field), $field::arriving(it)?)),)*
                SeenFormat::Nothing {} => {
                    let essence = &arriving.essence;
                    Err(format!("{essence} arrives, which shows no format that a session can have"))
                }
            }
        }
    };
}

onair_essence::for_essences! { {declare} }

/// The part of a document that a format in JSON is.
pub(crate) fn fields(format: impl Serialize) -> Fields {
    match json!(format) {
        Value::Object(fields) => fields,
        _ => Fields::new(),
    }
}

fn part(name: &str, format: Value) -> Fields {
    Fields::from_iter([(name.to_owned(), format)])
}
