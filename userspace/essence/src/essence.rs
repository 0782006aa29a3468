//! What a kind of essence brings.

use std::error::Error;
use std::fmt::{Debug, Display};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::invalid::SpecErrors;
use crate::measure::Measure;
use crate::receive::Depacketise;
use crate::send::{Packetise, TestSignal};

/// An error that may be of one field of the format.
pub trait OfField {
    /// The field's path in documents.
    fn field(&self) -> Option<&'static str>;
}

/// The format of one session's essence, and how its packets are sent. Always valid.
pub trait Essence: Display + Sized {
    /// Its form in JSON, of which only the shape is checked.
    type Document: Clone + Eq + Debug + Serialize + DeserializeOwned + From<Self>;
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

    /// The format, if every field of the document is valid.
    ///
    /// # Errors
    /// The invalid fields.
    fn check(document: &Self::Document) -> Result<Self, SpecErrors>;

    /// As a sender has it: with what it tells receivers even if nobody chose it.
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

    /// The time of `units` units, one after the other.
    fn units_time(&self, units: u32) -> Duration;

    /// Whether its units are those of `other`, however they are sent.
    fn has_units_of(&self, other: &Self) -> bool;

    /// Largest UDP datagram that a sender makes in bytes, UDP header included.
    fn max_udp(&self) -> u16;

    /// A receiver for packets of this RTP payload type, 0 to 127. It closes a unit after `timeout_ns`
    /// nanoseconds without a packet of it.
    fn receive<S: Copy + Debug>(&self, payload_type: u8, timeout_ns: u64) -> Self::Receive<S>;

    /// A sender of RTP packets of at most `max_bytes` bytes, RTP header included.
    ///
    /// # Errors
    /// The packets do not hold the format, or its timing contradicts itself.
    fn send(&self, max_bytes: usize) -> Result<Self::Send, Self::NotSendable>;

    /// The test signal in this format.
    ///
    /// # Errors
    /// The format is too small for it.
    fn signal(&self) -> Result<Self::Signal, Self::NotSendable>;

    /// A measurement of its packets' timing, by what the format says of its sender; `None` if it cannot be
    /// measured.
    fn monitor(&self) -> Option<Self::Timing>;
}
