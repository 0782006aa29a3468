//! Interface of a kind of essence.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::invalid::SpecErrors;
use crate::measure::Measure;
use crate::pace::packets_of;
use crate::receive::Depacketise;
use crate::rows::Row;
use crate::send::{Packetise, TestSignal};

/// An error that may be of one field of the format.
pub trait OfField {
    /// The field's path in documents.
    fn field(&self) -> Option<&'static str>;
}

/// The format of a stream, as far as its packets show it; in JSON and for people.
pub trait Seen: Clone + Eq + Debug + Display + Serialize {
    /// The flags of `onairctl session create` that stand for it, each after a space.
    fn flags(&self) -> String;
}

/// A format in a list of sessions, in JSON.
pub trait Listed: Clone + Eq + Debug + Serialize + DeserializeOwned {
    /// For people.
    fn format(&self) -> &str;

    /// Periods a second as a ratio: `30000/1001`.
    fn rate(&self) -> &str;

    /// Units of a period.
    fn units_a_period(&self) -> u64;
}

/// A document of a format.
pub trait Document: Clone + Eq + Debug + Display + Serialize + DeserializeOwned {
    /// How a sender makes and spreads its packets, or what a receiver knows of that, for people.
    fn packet_rows(&self, sends: bool) -> Vec<Row>;

    /// Says what its units depend on, before its packets change.
    fn hold_units(&mut self) {}
}

/// A change of a session's format that does not change its units.
pub trait Patch<Document>: Default + Eq {
    /// All that may change, as the document has it.
    fn of(document: &Document) -> Self;

    /// Changes the document.
    fn apply(&self, document: &mut Document);
}

/// The format of one session's essence, and how its packets are sent. Always valid.
pub trait Essence: Display + Sized {
    /// Its form in JSON, of which only the shape is checked.
    type Document: Document + From<Self>;
    /// Facts about it that packets show.
    type Seen: Seen + DeserializeOwned;
    /// Its format in a list of sessions.
    type Listed: Listed + From<Self::Document>;
    /// Makes units from packets.
    type Receive<S: Copy + Debug>: Depacketise<S> + Debug;
    /// Makes packets of units.
    type Send: Packetise + Debug;
    /// The built-in test signal.
    type Signal: TestSignal + Debug;
    /// Measures the timing of packets.
    type Timing: Measure + Debug;
    /// Why a format cannot be sent.
    type NotSendable: Error + OfField;

    /// Why packets are malformed, by names for statistics and metrics: in the order of
    /// [`ReceiveStats::malformed`](crate::receive::ReceiveStats::malformed), at most
    /// [`MOST_REASONS`](crate::receive::MOST_REASONS).
    const REASONS: &'static [&'static str];

    /// The reasons of [`Self::REASONS`] that packets of another format cause.
    const OF_OTHER_FORMATS: &'static [&'static str];

    /// Its name for people, with its standard.
    const NAME: &'static str;

    /// The format, if every field of the document is valid.
    ///
    /// # Errors
    /// The invalid fields.
    fn check(document: &Self::Document) -> Result<Self, SpecErrors>;

    /// As a sender has it: with the values that it tells receivers, including defaults.
    #[must_use]
    fn of_sender(self) -> Self;

    /// Frequency of the RTP clock in hertz.
    fn clock_hz(&self) -> u32;

    /// Bytes of the largest unit.
    fn unit_bytes(&self) -> usize;

    /// The time of `periods` periods of the format in nanoseconds. A period has one or more units.
    fn period_ns(&self, periods: u64) -> u64;

    /// Bytes of units a second.
    fn bytes_per_second(&self) -> u64;

    /// Units in 1,000 seconds.
    fn units_in_1000_s(&self) -> u64;

    /// Packets of a unit, about.
    fn packets_a_unit(&self) -> u64 {
        packets_of(self.unit_bytes())
    }

    /// The fewest units in 1,000 seconds that a sender may make of the format.
    fn fewest_units_in_1000_s(&self) -> u64 {
        self.units_in_1000_s()
    }

    /// The most units in 1,000 seconds that a sender may make of the format.
    fn most_units_in_1000_s(&self) -> u64 {
        self.units_in_1000_s()
    }

    /// How often packets come, by themselves or in a row, in 1,000 seconds.
    fn trains_in_1000_s(&self) -> u64 {
        self.units_in_1000_s()
    }

    /// The time of `units` units, one after the other.
    fn units_time(&self, units: u32) -> Duration;

    /// Whether its units are those of `other`, however they are sent.
    fn has_units_of(&self, other: &Self) -> bool;

    /// Whether packets show another format.
    fn differs_from(&self, seen: &Self::Seen) -> bool;

    /// Largest UDP datagram that a sender makes in bytes, UDP header included.
    fn max_udp(&self) -> u16;

    /// A receiver for packets of this RTP payload type, 0 to 127. It closes a unit after `timeout_ns`
    /// nanoseconds without a packet of it.
    fn receive<S: Copy + Debug>(&self, payload_type: u8, timeout_ns: u64) -> Self::Receive<S>;

    /// A sender of RTP packets of at most `max_bytes` bytes, RTP header included.
    ///
    /// # Errors
    /// The packets cannot carry the format, or its timing contradicts itself.
    fn send(&self, max_bytes: usize) -> Result<Self::Send, Self::NotSendable>;

    /// The test signal in this format.
    ///
    /// # Errors
    /// The format is too small for it.
    fn signal(&self) -> Result<Self::Signal, Self::NotSendable>;

    /// A measurement of its packets' timing, by what the format says of its sender; `None` if it cannot be
    /// measured.
    fn monitor(&self) -> Option<Self::Timing>;

    /// Has `timing` measure by what this format says of its sender. Does not allocate.
    fn declare(&self, timing: &mut Self::Timing);
}
