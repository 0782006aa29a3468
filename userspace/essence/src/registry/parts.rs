//! What has one of each essence.

use std::fmt::{self, Debug};

use serde::{Deserialize, Deserializer, Serialize};

use crate::essence::{Essence, Seen};
use crate::invalid::SpecErrors;
use crate::measure::Measure as _;
use crate::send::Packetise;
use crate::video::VideoFormat;

/// Declares everything that has one of each essence.
macro_rules! declare {
    ([$($(#[$doc:meta])+ $name:ident $field:ident
        [$format:ty, $document:ty, $patch:ty, $seen:ty, $listed:ty, $timing:ty];)+]) => {
        /// Which essence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EssenceKind {
            $($(#[$doc])+ $name,)+
        }

        impl EssenceKind {
            /// Its name in documents.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($field),)+ }
            }

            /// As [`Essence::NAME`].
            #[must_use]
            pub const fn standard(self) -> &'static str {
                match self { $(Self::$name => <$format as Essence>::NAME,)+ }
            }
        }

        /// A format in JSON, such as `{"video": {…}}`. Only its shape is checked.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum FormatDocument {
            $($(#[$doc])+ $name($document),)+
        }

        impl FormatDocument {
            /// Which essence it is of.
            #[must_use]
            pub const fn kind(&self) -> EssenceKind {
                match self { $(Self::$name(_) => EssenceKind::$name,)+ }
            }
        }

        /// What packets show of the format that they have; in JSON without the essence's name, which stands beside it:
        /// [`SeenFormat::of_document`] reads it.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(untagged)]
        pub enum SeenFormat {
            $($(#[$doc])+ $name($seen),)+
            /// They are of another essence, or show nothing of it yet.
            Nothing {},
        }

        impl SeenFormat {
            /// The fields of a document for the essence with this name.
            ///
            /// # Errors
            /// They are not what packets of this essence show.
            pub fn of_document<'de, D: Deserializer<'de>>(essence: &str, fields: D) -> Result<Self, D::Error> {
                match essence {
                    $(stringify!($field) => <$seen>::deserialize(fields).map(Self::$name),)+
                    _ => Ok(Self::Nothing {}),
                }
            }
        }

        /// For people; empty if they show nothing.
        impl fmt::Display for SeenFormat {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$name(it) => fmt::Display::fmt(it, f),)+
                    Self::Nothing {} => Ok(()),
                }
            }
        }

        impl Seen for SeenFormat {
            fn flags(&self) -> String {
                match self {
                    $(Self::$name(it) => it.flags(),)+
                    Self::Nothing {} => String::new(),
                }
            }
        }

        /// A format in a list of sessions; in JSON without the essence's name.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(untagged)]
        pub enum ListedFormat {
            $($(#[$doc])+ $name($listed),)+
        }

        /// The timing of packets, measured while they arrive; in JSON without the essence's name.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(untagged)]
        #[expect(clippy::large_enum_variant, reason = "there is one a session")]
        pub enum TimingDocument {
            $($(#[$doc])+ $name($timing),)+
        }

        /// What a session carries, and how its packets are sent. Always valid. In JSON it is a
        /// [`FormatDocument`].
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(into = "FormatDocument", try_from = "FormatDocument")]
        pub enum Format {
            $($(#[$doc])+ $name($format),)+
        }

        /// Makes units from packets. `S` is the handle of a unit's memory.
        #[derive(Debug)]
        pub enum Depacketiser<S: Copy + Debug> {
            $($(#[$doc])+ $name(<$format as Essence>::Receive<S>),)+
        }

        /// Makes packets of units.
        #[derive(Debug)]
        pub enum Packetiser {
            $($(#[$doc])+ $name(<$format as Essence>::Send),)+
        }

        /// One packet of a unit.
        #[derive(Debug)]
        pub enum Packet<'a> {
            $($(#[$doc])+ $name(<<$format as Essence>::Send as Packetise>::Packet<'a>),)+
        }

        /// The built-in test signal.
        #[derive(Debug)]
        #[expect(clippy::large_enum_variant, reason = "there is one a session")]
        pub enum Signal {
            $($(#[$doc])+ $name(<$format as Essence>::Signal),)+
        }

        /// Measures the timing of packets.
        #[derive(Debug, Clone)]
        #[expect(clippy::large_enum_variant, reason = "there is one a session")]
        pub enum Monitor {
            $($(#[$doc])+ $name(<$format as Essence>::Timing),)+
        }

        /// Why a format cannot be sent.
        #[derive(Debug, thiserror::Error)]
        pub enum NotSendable {
            $($(#[$doc])+ #[error(transparent)] $name(<$format as Essence>::NotSendable),)+
        }

        $(impl From<Option<$seen>> for SeenFormat {
            fn from(seen: Option<$seen>) -> Self {
                seen.map_or(Self::Nothing {}, Self::$name)
            }
        })+

        impl From<FormatDocument> for ListedFormat {
            fn from(document: FormatDocument) -> Self {
                match document { $(FormatDocument::$name(it) => Self::$name(it.into()),)+ }
            }
        }

        $(impl From<$format> for Format {
            fn from(format: $format) -> Self {
                Self::$name(format)
            }
        })+

        impl From<Format> for FormatDocument {
            fn from(format: Format) -> Self {
                match format { $(Format::$name(it) => Self::$name(it.into()),)+ }
            }
        }

        impl TryFrom<FormatDocument> for Format {
            type Error = SpecErrors;

            fn try_from(document: FormatDocument) -> Result<Self, SpecErrors> {
                match document { $(FormatDocument::$name(it) => <$format as Essence>::check(&it).map(Self::$name),)+ }
            }
        }

        impl Format {
            /// As [`Essence::of_sender`].
            #[must_use]
            pub fn of_sender(self) -> Self {
                match self { $(Self::$name(it) => Self::$name(it.of_sender()),)+ }
            }

            /// Which essence it is of.
            #[must_use]
            pub const fn kind(&self) -> EssenceKind {
                match self { $(Self::$name(_) => EssenceKind::$name,)+ }
            }

            /// Whether packets show another format, as far as they show one.
            #[must_use]
            pub fn differs_from(&self, seen: &SeenFormat) -> bool {
                match (self, seen) {
                    (_, SeenFormat::Nothing {}) => false,
                    $((Self::$name(it), SeenFormat::$name(seen)) => it.differs_from(seen),)+
                    #[allow(unreachable_patterns, reason = "with one essence there is no other")]
                    _ => true,
                }
            }

            /// As [`Essence::OF_OTHER_FORMATS`].
            #[must_use]
            pub const fn of_other_formats(&self) -> &'static [&'static str] {
                match self { $(Self::$name(_) => <$format as Essence>::OF_OTHER_FORMATS,)+ }
            }

            /// As [`Essence::REASONS`].
            #[must_use]
            pub const fn reasons(&self) -> &'static [&'static str] {
                match self { $(Self::$name(_) => <$format as Essence>::REASONS,)+ }
            }

            /// As [`Essence::receive`].
            #[must_use]
            pub fn depacketiser<S: Copy + Debug>(&self, payload_type: u8, timeout_ns: u64) -> Depacketiser<S> {
                match self { $(Self::$name(it) => Depacketiser::$name(it.receive(payload_type, timeout_ns)),)+ }
            }

            /// As [`Essence::send`].
            ///
            /// # Errors
            /// As there.
            pub fn packetiser(&self, max_bytes: usize) -> Result<Packetiser, NotSendable> {
                match self {
                    $(Self::$name(it) => it.send(max_bytes).map(Packetiser::$name).map_err(NotSendable::$name),)+
                }
            }

            /// As [`Essence::signal`].
            ///
            /// # Errors
            /// As there.
            pub fn signal(&self) -> Result<Signal, NotSendable> {
                match self {
                    $(Self::$name(it) => it.signal().map(Signal::$name).map_err(NotSendable::$name),)+
                }
            }

            /// As [`Essence::monitor`].
            #[must_use]
            pub fn monitor(&self) -> Option<Monitor> {
                match self { $(Self::$name(it) => it.monitor().map(Monitor::$name),)+ }
            }
        }

        impl Format {
            $(
                $(#[$doc])+
                #[must_use]
                pub const fn $field(&self) -> Option<&$format> {
                    match self {
                        Self::$name(it) => Some(it),
                        #[allow(unreachable_patterns, reason = "with one essence there is no other")]
                        _ => None,
                    }
                }
            )+
        }

        impl Monitor {
            $(
                $(#[$doc])+
                #[must_use]
                pub const fn $field(&self) -> Option<&<$format as Essence>::Timing> {
                    match self {
                        Self::$name(it) => Some(it),
                        #[allow(unreachable_patterns, reason = "with one essence there is no other")]
                        _ => None,
                    }
                }
            )+

            pub(super) fn figures(&self, now_ns: u64) -> Option<TimingDocument> {
                match self { $(Self::$name(it) => it.document(now_ns).map(TimingDocument::$name),)+ }
            }
        }

        impl Packetiser {
            #[inline]
            pub(super) fn one(&self, tag: u32, index: u32) -> Option<Packet<'_>> {
                match self { $(Self::$name(it) => it.packet(tag, index).map(Packet::$name),)+ }
            }
        }
    };
}

crate::for_essences! { {declare} }

impl From<VideoFormat> for Format {
    fn from(format: VideoFormat) -> Self {
        Self::Video(format.into())
    }
}
