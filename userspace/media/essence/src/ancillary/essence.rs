//! Ancillary data as an essence.

use std::fmt::{self, Debug};
use std::time::Duration;

use super::document::{AncillaryDocument, ListedAncillary, SeenAncillary};
use super::measure::AncillaryMonitor;
use super::receive::{AncillaryReceiver, Malformed, PACKETS};
use super::send::{AncillaryNotSendable, AncillaryPacketiser, AncillarySignal};
use super::stream::AncillaryStream;
use super::unit::UNIT_BYTES;
use crate::STANDARD_MAX_UDP;
use crate::essence::Essence;
use crate::invalid::SpecErrors;
use crate::video::{FrameRate, RTP_CLOCK_HZ};

/// For people.
impl fmt::Display for AncillaryStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&AncillaryDocument::from(self.clone()), f)
    }
}

impl Essence for AncillaryStream {
    type Document = AncillaryDocument;
    type Seen = SeenAncillary;
    type Listed = ListedAncillary;
    type Receive<S: Copy + Debug> = AncillaryReceiver<S>;
    type Send = AncillaryPacketiser;
    type Signal = AncillarySignal;
    type Timing = AncillaryMonitor;
    type NotSendable = AncillaryNotSendable;

    const REASONS: &'static [&'static str] = &Malformed::NAMES;

    const OF_OTHER_FORMATS: &'static [&'static str] = &[];

    const NAME: &'static str = "ST 2110-40 ancillary data";

    fn check(document: &AncillaryDocument) -> Result<Self, SpecErrors> {
        document.try_into()
    }

    fn of_sender(mut self) -> Self {
        self.transmission.get_or_insert_default();
        self
    }

    fn clock_hz(&self) -> u32 {
        RTP_CLOCK_HZ
    }

    fn unit_bytes(&self) -> usize {
        UNIT_BYTES
    }

    /// A period is a frame, also if its units are fields.
    fn period_ns(&self, periods: u64) -> u64 {
        self.rate.nanos(periods)
    }

    fn packets_a_unit(&self) -> u64 {
        PACKETS
    }

    /// As if each unit were full.
    fn bytes_per_second(&self) -> u64 {
        self.units_in_1000_s() * UNIT_BYTES as u64 / 1_000
    }

    fn units_in_1000_s(&self) -> u64 {
        let rate = self.unit_rate();
        u64::from(rate.numerator()) * 1_000 / u64::from(rate.denominator())
    }

    /// RFC 8331 §2.1: packets of an interlaced picture need not name a field, and a field need have no data.
    fn fewest_units_in_1000_s(&self) -> u64 {
        u64::from(self.rate.numerator()) * 1_000 / u64::from(self.rate.denominator())
    }

    /// No description says that there are fields.
    fn most_units_in_1000_s(&self) -> u64 {
        2 * self.fewest_units_in_1000_s()
    }

    fn units_time(&self, units: u32) -> Duration {
        Duration::from_nanos(self.unit_rate().nanos(units.into()))
    }

    fn has_units_of(&self, other: &Self) -> bool {
        (self.rate, self.interlaced) == (other.rate, other.interlaced)
    }

    /// No description says that there are fields, and packets need not.
    fn differs_from(&self, seen: &SeenAncillary) -> bool {
        let is_of = |it: FrameRate| {
            let (num, den) = (it.numerator(), it.denominator());
            [den, 2 * den]
                .into_iter()
                .any(|den| self.rate.may_be((num, den)))
        };
        let rate = seen.ancillary_rate.parse::<FrameRate>();
        rate.is_ok_and(|rate| !is_of(rate))
    }

    fn max_udp(&self) -> u16 {
        STANDARD_MAX_UDP
    }

    fn receive<S: Copy + Debug>(&self, payload_type: u8, timeout_ns: u64) -> AncillaryReceiver<S> {
        AncillaryReceiver::new(self.unit_rate(), payload_type, timeout_ns)
    }

    fn send(&self, max_bytes: usize) -> Result<AncillaryPacketiser, AncillaryNotSendable> {
        AncillaryPacketiser::new(self, max_bytes)
    }

    fn signal(&self) -> Result<AncillarySignal, AncillaryNotSendable> {
        Ok(AncillarySignal::new(self))
    }

    fn monitor(&self) -> Option<AncillaryMonitor> {
        Some(AncillaryMonitor::default())
    }

    /// A sender's declaration changes no count.
    fn declare(&self, _timing: &mut AncillaryMonitor) {}
}
