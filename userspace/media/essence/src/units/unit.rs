//! One unit in assembly.

use super::assembly::Assembly;
use crate::receive::{Sink, UnitProgress, UnitReport};

/// A unit with at least one packet. The next one reuses its memory.
#[derive(Debug)]
pub(super) struct Unit<S, A> {
    pub(super) assembly: A,
    pub(super) timestamp: u32,
    /// `None`: there was no memory for the unit.
    pub(super) slot: Option<S>,
    /// The number of its first packet, if packets show it.
    pub(super) first: Option<u64>,
    /// Lowest and highest unwrapped sequence number.
    pub(super) lowest: u64,
    pub(super) highest: u64,
    /// The number of the last packet with the marker.
    pub(super) marker: Option<u64>,
    /// Packets came behind one with the marker: its sender sets it too early, or twice.
    pub(super) is_past_marker: bool,
    pub(super) received: u32,
    pub(super) duplicates: u32,
    pub(super) first_packet_ns: u64,
    pub(super) last_packet_ns: u64,
}

impl<S: Copy, A: Assembly> Unit<S, A> {
    /// Tells a reader how much of it stands.
    #[inline(never)]
    pub(super) fn tell(&self, sink: &mut impl Sink<Slot = S>) {
        let Some(slot) = self.slot else { return };
        let progress = UnitProgress {
            rtp_timestamp: self.timestamp,
            first_packet_ns: self.first_packet_ns,
            tag: self.assembly.tag(),
            bytes: self.assembly.stands(),
        };
        sink.progress(slot, &progress);
    }
}

impl<S: Copy, A> Unit<S, A> {
    pub(super) const fn idle(assembly: A) -> Self {
        Self {
            assembly,
            timestamp: 0,
            slot: None,
            first: None,
            lowest: 0,
            highest: 0,
            marker: None,
            is_past_marker: false,
            received: 0,
            duplicates: 0,
            first_packet_ns: 0,
            last_packet_ns: 0,
        }
    }

    /// Begins the unit of a packet with the unwrapped sequence number `number`.
    pub(super) const fn begin(
        &mut self,
        timestamp: u32,
        slot: Option<S>,
        number: u64,
        now_ns: u64,
    ) {
        (self.timestamp, self.slot, self.first) = (timestamp, slot, None);
        (self.lowest, self.highest, self.marker) = (number, number, None);
        self.is_past_marker = false;
        (self.first_packet_ns, self.last_packet_ns) = (now_ns, now_ns);
        (self.received, self.duplicates) = (0, 0);
    }

    /// The first number that the next unit may have. A unit without its marker lacks one packet at least.
    pub(super) const fn next_number(&self) -> u64 {
        match self.marker {
            Some(_) => self.highest + 1,
            None => self.highest + 2,
        }
    }

    /// Notes that a packet of it arrived, and whether it says that it is the last one.
    pub(super) fn note(&mut self, ends: bool, number: u64) {
        let is_behind = self.marker.is_some_and(|marker| number > marker);
        self.is_past_marker |= is_behind || ends && number < self.highest;
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
        if ends {
            self.marker = self.marker.max(Some(number));
        }
    }

    /// Whether the newest packet has the only marker.
    pub(super) fn ends_with_marker(&self) -> bool {
        self.marker == Some(self.highest) && !self.is_past_marker
    }

    /// Notes that a packet of it was taken.
    pub(super) const fn take(&mut self, now_ns: u64) {
        self.received = self.received.saturating_add(1);
        self.last_packet_ns = now_ns;
    }

    /// The report, as far as it is the same in all essences.
    pub(super) fn report(&self, complete: bool, lost: u64) -> UnitReport {
        UnitReport {
            rtp_timestamp: self.timestamp,
            complete,
            bytes_missing: 0,
            listed: Default::default(),
            listed_count: 0,
            packets_received: self.received,
            packets_lost: u32::try_from(lost).unwrap_or(u32::MAX),
            duplicates: self.duplicates,
            first_packet_ns: self.first_packet_ns,
            last_packet_ns: self.last_packet_ns,
            marker_seen: self.marker.is_some(),
            wrong_format: false,
            tag: 0,
        }
    }
}
