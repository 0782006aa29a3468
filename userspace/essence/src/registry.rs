//! The essences. Who is added here is known to the whole project.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::time::Duration;

use crate::essence::{Essence, OfField};
use serde::{Deserialize, Serialize};

use crate::invalid::SpecErrors;
use crate::measure::Measure;
use crate::receive::{Depacketise, ReceiveStats, Run, Sink};
use crate::rtp::RtpHeader;
use crate::send::{PacketPlan, Packetise, StreamHeader, TestSignal};
use crate::video::{VideoFormat, VideoStream};

/// Declares the essences, each with its name in documents, and its part in everything that has one of each.
macro_rules! essences {
    ($($(#[$doc:meta])+ $name:ident $word:literal $format:ty;)+) => {
        /// Which essence.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Kind {
            $($(#[$doc])+ $name,)+
        }

        impl Kind {
            /// Its name in documents.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }
        }

        /// A format in JSON, such as `{"video": {…}}`. Only its shape is checked.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        pub enum FormatDocument {
            $($(#[$doc])+ #[serde(rename = $word)] $name(<$format as Essence>::Document),)+
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

        impl Packetiser {
            #[inline]
            fn one(&self, tag: u32, index: u32) -> Option<Packet> {
                match self { $(Self::$name(it) => it.packet(tag, index).map(Packet::$name),)+ }
            }
        }
    };
}

essences! {
    /// Uncompressed video: ST 2110-20.
    Video "video" VideoStream;
}

impl From<VideoFormat> for Format {
    fn from(format: VideoFormat) -> Self {
        Self::Video(format.into())
    }
}

/// The body, with the value of the essence as `it`.
macro_rules! each {
    ($value:expr, $it:ident => $body:expr) => {
        match $value {
            Self::Video($it) => $body,
        }
    };
}

/// The body, with two values of one session, which are of one essence.
macro_rules! both {
    ($value:expr, $other:expr, $Other:ident, ($it:ident, $that:ident) => $body:expr) => {
        match ($value, $other) {
            (Self::Video($it), $Other::Video($that)) => $body,
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
        both!(self, other, Self, (it, other) => it.has_units_of(other))
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
        both!(self, format, Format, (it, format) => it.declare(format.into()));
    }
}

impl Measure for Monitor {
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

    fn copy_from(&mut self, other: &Self) {
        both!(self, other, Self, (it, other) => it.copy_from(other));
    }
}
