//! The flags of all essences together, and the formats that they stand for.
//!
//! Each essence has a file with its name in documents, which knows its flags and its fields; other files pass
//! formats on.

use clap::Args;
use onair_api::{Arriving, SessionPatch};
use onair_essence::{EssenceKind, FormatDocument, SeenFormat};

/// Arguments that stand instead of the flags of a format.
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
            pub(crate) fn format(&self) -> FormatDocument {
                $(if let Some(format) = self.$field.format() {
                    return FormatDocument::$name(format);
                })*
                FormatDocument::$first_name(self.$first.format())
            }

            /// The frame rate by the flags, and of which essence it is said.
            pub(crate) fn rate(&self) -> Option<(EssenceKind, &str)> {
                $(if let Some(rate) = self.$field.rate() {
                    return Some((EssenceKind::$name, rate));
                })*
                self.$first.rate().map(|rate| (EssenceKind::$first_name, rate))
            }

            /// Whether the flags say how large packets are.
            pub(crate) const fn says_packets(&self) -> bool {
                self.$first.says_packets() $(|| self.$field.says_packets())*
            }

            /// Puts what the flags say of the packets over `format`.
            pub(crate) fn put_packets(&self, format: &mut FormatDocument) {
                match format {
                    FormatDocument::$first_name(it) => self.$first.put_packets(it),
                    $(FormatDocument::$name(it) => self.$field.put_packets(it),)*
                }
            }
        }

        impl TimingFlags {
            /// Puts the timing by the flags over `change`.
            pub(crate) fn put(&self, change: &mut SessionPatch) {
                self.$first.put(&mut change.$first);
                $(self.$field.put(&mut change.$field);)*
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

        /// Arguments that stand instead of the flags of the format of `essence`: among it the first flag of another.
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

        /// The largest datagram of a format that says one.
        pub(crate) const fn max_udp(format: &mut FormatDocument) -> Option<&mut Option<u32>> {
            match format {
                FormatDocument::$first_name(it) => $first::max_udp(it),
                $(FormatDocument::$name(it) => $field::max_udp(it),)*
            }
        }

        /// Whether each unit is a field.
        pub(crate) fn has_fields(format: &FormatDocument) -> bool {
            match format {
                FormatDocument::$first_name(it) => $first::has_fields(it),
                $(FormatDocument::$name(it) => $field::has_fields(it),)*
            }
        }

        /// The smallest format: a session with it measures what arrives, whatever that is.
        pub(crate) fn smallest() -> FormatDocument {
            FormatDocument::$first_name($first::smallest())
        }

        /// The format of what arrives.
        ///
        /// # Errors
        /// The facts that the packets do not show, for people.
        pub(crate) fn arriving(arriving: &Arriving) -> Result<FormatDocument, String> {
            match &arriving.format {
                SeenFormat::$first_name(it) => Ok(FormatDocument::$first_name($first::arriving(it)?)),
                $(SeenFormat::$name(it) => Ok(FormatDocument::$name($field::arriving(it)?)),)*
                SeenFormat::Nothing {} => {
                    let essence = &arriving.essence;
                    Err(format!("{essence} arrives, which shows no format that a session can have"))
                }
            }
        }
    };
}

onair_essence::for_essences! { {declare} }
