//! Asks the essence that there is.

use std::fmt::{self, Debug};
use std::ops::Range;
use std::time::Duration;

use super::parts::{
    Depacketiser, Format, FormatDocument, ListedFormat, Monitor, NotSendable, Packet, Packetiser,
    Signal, TimingDocument,
};
use crate::essence::{Document, Essence as _, Listed, OfField};
use crate::measure::{Damage, Gauge, Measure};
use crate::receive::{Depacketise, ReceiveStats, Run, Sink};
use crate::rows::{Row, Rows};
use crate::rtp::{PayloadTypes, RtpHeader};
use crate::send::{PacketPlan, Packetise, StreamHeader, TestSignal};

/// The body, with the value of the essence as `it`.
macro_rules! each {
    ($value:expr, $it:ident => $body:expr) => {
        crate::for_essences! { {each_of} $value, $it => $body }
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
        crate::for_essences! { {both_of} $value, $that, $That, ($it, $its) => $body, else $other }
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

    /// Packets in a second, about.
    #[must_use]
    pub fn packets_a_second(&self) -> u64 {
        each!(self, it => it.packets_a_unit() * it.units_in_1000_s() / 1_000 + 1)
    }

    /// As [`Essence::fewest_units_in_1000_s`].
    #[must_use]
    pub fn fewest_units_in_1000_s(&self) -> u64 {
        each!(self, it => it.fewest_units_in_1000_s())
    }

    /// As [`Essence::most_units_in_1000_s`].
    #[must_use]
    pub fn most_units_in_1000_s(&self) -> u64 {
        each!(self, it => it.most_units_in_1000_s())
    }

    /// As [`Essence::trains_in_1000_s`].
    #[must_use]
    pub fn trains_in_1000_s(&self) -> u64 {
        each!(self, it => it.trains_in_1000_s())
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
    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool {
        each!(self, it => it.refuses(rtp, payload))
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

    fn set_payload_types(&mut self, types: PayloadTypes) {
        each!(self, it => it.set_payload_types(types));
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
    type Packet<'a> = Packet<'a>;

    fn fills_slots(&self) -> bool {
        each!(self, it => it.fills_slots())
    }

    fn begin(&mut self, tag: u32, read: impl FnMut(usize, &mut [u8])) {
        each!(self, it => it.begin(tag, read));
    }

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
    fn packet(&self, tag: u32, index: u32) -> Option<Packet<'_>> {
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

    fn is_over(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> bool {
        each!(self, it => it.is_over(slot, next, now_ns, ahead_ns))
    }

    fn steps(&self, tag: u32) -> u32 {
        each!(self, it => it.steps(tag))
    }

    fn needs(&self, tag: u32, index: u32) -> u32 {
        each!(self, it => it.needs(tag, index))
    }

    fn reads_first(&self) -> bool {
        each!(self, it => it.reads_first())
    }
}

impl PacketPlan for Packet<'_> {
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

    fn read(&self, offset: usize, out: &mut [u8]) {
        each!(self, it => it.read(offset, out));
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
    fn reads_payloads(&self) -> bool {
        each!(self, it => it.reads_payloads())
    }

    #[inline]
    fn packet(&mut self, at_ns: u64, tai_ns: Option<u64>, rtp: &RtpHeader, payload: &[u8]) -> bool {
        each!(self, it => Measure::packet(it, at_ns, tai_ns, rtp, payload))
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

    fn remark(&self, now_ns: u64) -> Option<String> {
        each!(self, it => it.remark(now_ns))
    }

    fn damage(&self, now_ns: u64) -> Option<Damage> {
        each!(self, it => it.damage(now_ns))
    }

    fn copy_from(&mut self, other: &Self) {
        both!(self, other, Self, (it, other) => it.copy_from(other), else ());
    }
}
