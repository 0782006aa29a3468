//! The essences. One that is added here is known to the whole project.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::time::Duration;

use crate::essence::{Document, Essence, Listed, OfField, Seen};
use serde::{Deserialize, Serialize};

use crate::invalid::SpecErrors;
use crate::measure::{Gauge, Measure};
use crate::receive::{Depacketise, ReceiveStats, Run, Sink};
use crate::rows::{Row, Rows};
use crate::rtp::RtpHeader;
use crate::send::{PacketPlan, Packetise, StreamHeader, TestSignal};
use crate::video::VideoFormat;

/// The essences. Calls a macro with their list: each with its name in code, its name in documents, its format,
/// and the types that the format has in documents: `Document`, `Patch`, `Seen`, `Listed`, and that of its timing.
#[doc(hidden)]
#[macro_export]
macro_rules! for_essences {
    ({$($callback:tt)+} $($more:tt)*) => {
        $($callback)+! {
            [
                /// Uncompressed video: ST 2110-20.
                Video video [$crate::video::VideoStream, $crate::video::VideoDocument, $crate::video::VideoPatch,
                    $crate::video::Picture, $crate::video::ListedVideo, $crate::video::VideoTiming];
            ]
            $($more)*
        }
    };
}

/// Declares a struct of a document with a field for each essence, named as that is in documents: between two
/// blocks of other fields, with a doc comment of one line and a serde attribute, `each document` (may be absent)
/// or `each patch` (changes nothing by default).
#[macro_export]
macro_rules! with_essences {
    ($($of_struct:tt)+) => { $crate::for_essences! { {$crate::essence_fields} $($of_struct)+ } };
}

#[doc(hidden)]
#[macro_export]
macro_rules! essence_fields {
    ([$($(#[$doc:meta])+ $name:ident $field:ident [$format:ty, $document:ty, $($more:ty),+];)+]
     $(#[$meta:meta])* pub struct $struct:ident {
        { $($before:tt)* } #[$about:meta] #[$shape:meta] each document { $($after:tt)* }
    }) => {
        $(#[$meta])*
        pub struct $struct {
            $($before)*
            $(#[$about] #[$shape] pub $field: Option<$document>,)+
            $($after)*
        }

        impl $struct {
            /// Takes the formats that are given.
            fn take_formats(&mut self) -> Vec<$crate::FormatDocument> {
                let all = [$(self.$field.take().map($crate::FormatDocument::$name),)+];
                all.into_iter().flatten().collect()
            }

            /// Sets the format.
            fn set_format(&mut self, format: $crate::FormatDocument) {
                match format { $($crate::FormatDocument::$name(it) => self.$field = Some(it),)+ }
            }

            /// Fields of formats, each with whether it is given.
            fn formats_given(&self) -> impl Iterator<Item = (&'static str, bool)> + use<> {
                [$((stringify!($field), self.$field.is_some()),)+].into_iter()
            }
        }
    };
    ([$($(#[$doc:meta])+ $name:ident $field:ident [$format:ty, $document:ty, $patch:ty, $($more:ty),+];)+]
     $(#[$meta:meta])* pub struct $struct:ident {
        { $($before:tt)* } #[$about:meta] #[$shape:meta] each patch { $($after:tt)* }
    }) => {
        $(#[$meta])*
        pub struct $struct {
            $($before)*
            $(#[$about] #[$shape] pub $field: $patch,)+
            $($after)*
        }

        impl $struct {
            /// Changes the format.
            ///
            /// # Errors
            /// The field of another essence than the format's.
            fn apply_to(&self, format: &mut $crate::FormatDocument) -> Result<(), &'static str> {
                $(match &mut *format {
                    $crate::FormatDocument::$name(it) => $crate::Patch::apply(&self.$field, it),
                    #[allow(unreachable_patterns, reason = "with one essence there is no other")]
                    _ if self.$field != Default::default() => return Err(stringify!($field)),
                    #[allow(unreachable_patterns, reason = "with one essence there is no other")]
                    _ => {}
                })+
                Ok(())
            }
        }
    };
}

/// Declares everything that has one of each essence.
macro_rules! declare {
    ([$($(#[$doc:meta])+ $name:ident $field:ident
        [$format:ty, $document:ty, $patch:ty, $seen:ty, $listed:ty, $timing:ty];)+]) => {
        /// Which essence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])+ $name,)+
        }

        impl Kind {
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
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)+ }
            }
        }

        /// What packets show of the format that they have; in JSON without the essence's name.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(untagged)]
        pub enum SeenFormat {
            $($(#[$doc])+ $name($seen),)+
            /// They are of another essence, or show nothing of it yet.
            Nothing {},
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
        pub enum Packet {
            $($(#[$doc])+ $name(<<$format as Essence>::Send as Packetise>::Packet),)+
        }

        /// The built-in test signal.
        #[derive(Debug)]
        pub enum Signal {
            $($(#[$doc])+ $name(<$format as Essence>::Signal),)+
        }

        /// Measures the timing of packets.
        #[derive(Debug, Clone)]
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
            pub const fn kind(&self) -> Kind {
                match self { $(Self::$name(_) => Kind::$name,)+ }
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

            fn figures(&self, now_ns: u64) -> Option<TimingDocument> {
                match self { $(Self::$name(it) => it.document(now_ns).map(TimingDocument::$name),)+ }
            }
        }

        impl Packetiser {
            #[inline]
            fn one(&self, tag: u32, index: u32) -> Option<Packet> {
                match self { $(Self::$name(it) => it.packet(tag, index).map(Packet::$name),)+ }
            }
        }
    };
}

for_essences! { {declare} }

impl From<VideoFormat> for Format {
    fn from(format: VideoFormat) -> Self {
        Self::Video(format.into())
    }
}

/// The body, with the value of the essence as `it`.
macro_rules! each {
    ($value:expr, $it:ident => $body:expr) => {
        for_essences! { {each_of} $value, $it => $body }
    };
}

macro_rules! each_of {
    ([$($(#[$doc:meta])+ $name:ident $field:ident $types:tt;)+] $value:expr, $it:ident => $body:expr) => {
        match $value { $(Self::$name($it) => $body,)+ }
    };
}

/// The body, with two values of one essence; else `$other`.
macro_rules! both {
    ($value:expr, $that:expr, $That:ident, ($it:ident, $its:ident) => $body:expr, else $other:expr) => {
        for_essences! { {both_of} $value, $that, $That, ($it, $its) => $body, else $other }
    };
}

macro_rules! both_of {
    ([$($(#[$doc:meta])+ $name:ident $field:ident $types:tt;)+]
     $value:expr, $that:expr, $That:ident, ($it:ident, $its:ident) => $body:expr, else $other:expr) => {
        match ($value, $that) {
            $((Self::$name($it), $That::$name($its)) => $body,)+
            #[allow(unreachable_patterns, reason = "with one essence there is no other")]
            _ => $other,
        }
    };
}

impl Format {
    /// As [`Essence::clock_hz`].
    #[must_use]
    pub fn clock_hz(&self) -> u32 {
        each!(self, it => it.clock_hz())
    }

    /// As [`Essence::unit_bytes`].
    #[must_use]
    pub fn unit_bytes(&self) -> usize {
        each!(self, it => it.unit_bytes())
    }

    /// As [`Essence::period_ns`].
    #[must_use]
    pub fn period_ns(&self, periods: u64) -> u64 {
        each!(self, it => it.period_ns(periods))
    }

    /// As [`Essence::bytes_per_second`].
    #[must_use]
    pub fn bytes_per_second(&self) -> u64 {
        each!(self, it => it.bytes_per_second())
    }

    /// As [`Essence::units_in_1000_s`].
    #[must_use]
    pub fn units_in_1000_s(&self) -> u64 {
        each!(self, it => it.units_in_1000_s())
    }

    /// As [`Essence::units_time`].
    #[must_use]
    pub fn units_time(&self, units: u32) -> Duration {
        each!(self, it => it.units_time(units))
    }

    /// As [`Essence::has_units_of`].
    #[must_use]
    pub fn has_units_of(&self, other: &Self) -> bool {
        both!(self, other, Self, (it, other) => it.has_units_of(other), else false)
    }

    /// As [`Essence::max_udp`].
    #[must_use]
    pub fn max_udp(&self) -> u16 {
        each!(self, it => it.max_udp())
    }

    /// The time after which a unit without further packets is closed: three periods, at least 100 ms. The
    /// network may delay packets, and later units close earlier ones sooner.
    #[must_use]
    pub fn default_timeout_ns(&self) -> u64 {
        self.period_ns(3).max(100_000_000)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, it => fmt::Display::fmt(it, f))
    }
}

impl Document for FormatDocument {
    fn packet_rows(&self, sends: bool) -> Vec<Row> {
        each!(self, it => it.packet_rows(sends))
    }
}

/// For people.
impl fmt::Display for FormatDocument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, it => fmt::Display::fmt(it, f))
    }
}

impl Listed for ListedFormat {
    fn format(&self) -> &str {
        each!(self, it => it.format())
    }

    fn rate(&self) -> &str {
        each!(self, it => it.rate())
    }

    fn units_a_period(&self) -> u64 {
        each!(self, it => it.units_a_period())
    }
}

impl Rows for TimingDocument {
    fn rows(&self) -> Vec<Row> {
        each!(self, it => it.rows())
    }
}

impl OfField for NotSendable {
    fn field(&self) -> Option<&'static str> {
        each!(self, it => it.field())
    }
}

impl<S: Copy + Debug> Depacketise<S> for Depacketiser<S> {
    #[inline]
    fn push(&mut self, run: &Run<'_>, sink: &mut impl Sink<Slot = S>) {
        each!(self, it => it.push(run, sink));
    }

    #[inline]
    fn fetch(&self, packets: usize, sink: &impl Sink<Slot = S>) {
        each!(self, it => it.fetch(packets, sink));
    }

    fn expire(&mut self, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        each!(self, it => it.expire(now_ns, sink));
    }

    fn deadline(&self) -> Option<u64> {
        each!(self, it => it.deadline())
    }

    fn close(&mut self, sink: &mut impl Sink<Slot = S>) {
        each!(self, it => it.close(sink));
    }

    fn reset(&mut self, discard: impl FnMut(S)) {
        each!(self, it => it.reset(discard));
    }

    fn under_way(&self) -> usize {
        each!(self, it => it.under_way())
    }

    fn set_payload_type(&mut self, payload_type: u8) {
        each!(self, it => it.set_payload_type(payload_type));
    }

    #[inline]
    fn ssrc(&self) -> Option<u32> {
        each!(self, it => it.ssrc())
    }

    fn other_ssrc(&self) -> Option<u32> {
        each!(self, it => it.other_ssrc())
    }

    fn stats(&self) -> &ReceiveStats {
        each!(self, it => it.stats())
    }
}

impl Packetise for Packetiser {
    type Packet = Packet;

    fn tag_of_slot(&self, slot: u64) -> u32 {
        each!(self, it => it.tag_of_slot(slot))
    }

    fn tag_of_unit(&self, number: u64) -> u32 {
        each!(self, it => it.tag_of_unit(number))
    }

    fn packets(&self, tag: u32) -> u32 {
        each!(self, it => it.packets(tag))
    }

    #[inline]
    fn packet(&self, tag: u32, index: u32) -> Option<Packet> {
        self.one(tag, index)
    }

    fn timestamp(&self, slot: u64) -> u32 {
        each!(self, it => it.timestamp(slot))
    }

    fn slot_start(&self, slot: u64) -> u64 {
        each!(self, it => it.slot_start(slot))
    }

    fn slot_at(&self, tai_ns: u64) -> u64 {
        each!(self, it => it.slot_at(tai_ns))
    }

    fn ready(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> u32 {
        each!(self, it => it.ready(slot, next, now_ns, ahead_ns))
    }

    fn sent(&mut self, packets: u32, now_ns: u64) {
        each!(self, it => it.sent(packets, now_ns));
    }

    fn next_ns(&self, slot: u64, next: u32, ahead_ns: u64) -> u64 {
        each!(self, it => it.next_ns(slot, next, ahead_ns))
    }
}

impl PacketPlan for Packet {
    #[inline]
    fn bytes(&self) -> usize {
        each!(self, it => it.bytes())
    }

    #[inline]
    fn write_headers(&self, stream: &StreamHeader, sequence: u32, out: &mut [u8]) -> usize {
        each!(self, it => it.write_headers(stream, sequence, out))
    }

    #[inline]
    fn for_each_range(&self, visit: impl FnMut(Range<usize>)) {
        each!(self, it => it.for_each_range(visit));
    }
}

impl TestSignal for Signal {
    fn number(&self) -> u64 {
        each!(self, it => it.number())
    }

    fn start(&mut self) {
        each!(self, it => it.start());
    }

    #[inline]
    fn fill(&mut self, packet: &impl PacketPlan, data: &mut [u8]) {
        each!(self, it => it.fill(packet, data));
    }

    fn finish(&mut self) {
        each!(self, it => it.finish());
    }
}

impl Monitor {
    /// Measures by what `format`, of the same essence, says of its sender. Does not allocate.
    pub fn declare(&mut self, format: &Format) {
        both!(self, format, Format, (it, format) => format.declare(it), else ());
    }
}

impl Measure for Monitor {
    type Document = TimingDocument;

    #[inline]
    fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader) -> bool {
        each!(self, it => it.packet(at_ns, tai_ns, rtp))
    }

    #[inline]
    fn repeat(&mut self, times: u32) {
        each!(self, it => it.repeat(times));
    }

    fn pause(&mut self, now_ns: u64) -> bool {
        each!(self, it => it.pause(now_ns))
    }

    #[inline]
    fn due_ns(&self) -> Option<u64> {
        each!(self, it => it.due_ns())
    }

    #[inline]
    fn fetch(&self, at_ns: u64, fetch: impl FnMut(&u64)) {
        each!(self, it => it.fetch(at_ns, fetch));
    }

    fn document(&self, now_ns: u64) -> Option<TimingDocument> {
        self.figures(now_ns)
    }

    fn gauges(&self, now_ns: u64, visit: &mut dyn FnMut(Gauge)) {
        each!(self, it => it.gauges(now_ns, visit));
    }

    fn away_ns(&self, now_ns: u64) -> Option<f64> {
        each!(self, it => it.away_ns(now_ns))
    }

    fn copy_from(&mut self, other: &Self) {
        both!(self, other, Self, (it, other) => it.copy_from(other), else ());
    }
}
