//! Which unit a packet is of, which source is followed, and when a unit is over.

use onair_mutant::mutant;

use super::assembly::{Assembly, Reason as _};
use super::refused::{Ignored, LastRefused, Refused};
use super::unit::Unit;
use crate::pace::{Ahead, FEW_LOST, Pace, Vouched, is_near};
use crate::receive::{Depacketise, ReceiveStats, Run, Sink};
use crate::rtp::{PayloadTypes, RtpHeader, timestamp_after};
use crate::sequence::{Arrival, Sequence, nearest};
use crate::source::{Candidates, Strangers, Turn, turn_to};

/// Treatment of a packet.
enum Admission {
    /// It is of the unit at this place, and has this unwrapped number.
    Of(usize, u64),
    /// The stream cannot be there yet.
    Ahead,
    /// It is of no unit, and was counted.
    Counted,
}

/// Units that are ended by the next one, and not by a marker, after a marker that was not on the last packet.
const WARY_UNITS: u32 = 256;

/// A unit that was closed.
#[derive(Debug, Clone, Copy)]
struct Closed {
    timestamp: u32,
    highest: u64,
    /// The first number that the next unit may have.
    next: u64,
    end: End,
}

/// The end of a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Its last packet had the marker, as far as packets came.
    Marker,
    /// Packets came behind the marker.
    PastMarker,
    /// No marker came.
    NoMarker,
}

/// Makes the units of one flow. Allocates only in its constructor.
#[derive(Debug)]
pub struct UnitReceiver<S, A> {
    payload_types: PayloadTypes,
    timeout_ns: u64,
    /// Units in assembly, oldest first; the first `active` are in use.
    units: [Unit<S, A>; 2],
    active: usize,
    closed: Option<Closed>,
    /// So many units to come are ended by the next one.
    wary: u32,
    ssrc: Option<u32>,
    other_ssrc: Option<u32>,
    sequence: Sequence,
    candidates: Candidates,
    strangers: Strangers,
    pace: Pace,
    ahead: Ahead,
    ignored: Ignored,
    refused: LastRefused,
    last_fit_ns: u64,
    stats: ReceiveStats,
}

impl<S: Copy, A: Assembly> UnitReceiver<S, A> {
    const WARY: u32 = if A::ENDS_BY_MARKER { WARY_UNITS } else { 0 };

    /// For so many units a second, of about so many packets each, in packets of this payload type, 0 to 127. A unit is closed after `timeout_ns`
    /// nanoseconds without a packet. `assembly` gives the memory of a unit.
    pub(crate) fn of(
        (rate, packets): ((u32, u32), u64),
        (payload_type, timeout_ns): (u8, u64),
        assembly: impl Fn() -> A,
    ) -> Self {
        Self {
            payload_types: payload_type.into(),
            timeout_ns,
            units: [Unit::idle(assembly()), Unit::idle(assembly())],
            active: 0,
            closed: None,
            wary: 0,
            ssrc: None,
            other_ssrc: None,
            sequence: Sequence::new(),
            candidates: Candidates::default(),
            strangers: Strangers::default(),
            pace: Pace::new(rate, packets),
            ahead: Ahead::new(),
            ignored: Ignored::default(),
            refused: LastRefused::default(),
            last_fit_ns: 0,
            stats: ReceiveStats::default(),
        }
    }

    fn packet(&mut self, packet: &[u8], now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        self.stats.packets += 1;
        self.stats.bytes += packet.len() as u64;
        let (rtp, payload) = match RtpHeader::parse(packet) {
            Ok(parsed) => parsed,
            Err(reason) => return self.stats.malformed.add(A::Malformed::from(reason)),
        };
        if !self.payload_types.has(rtp.payload_type) {
            return self.stats.malformed.add(A::Malformed::PAYLOAD_TYPE);
        }
        match self.units[0].assembly.parse(payload, rtp.marker) {
            Ok(part) => self.take((&rtp, packet), part, Vouched::Not, now_ns, sink),
            Err(reason) => self.refuse(&rtp, reason),
        }
    }

    fn take(
        &mut self,
        (rtp, bytes): (&RtpHeader, &[u8]),
        part: A::Part<'_>,
        vouched: Vouched,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        if self.ssrc != Some(rtp.ssrc) {
            match self.turn_to(rtp, vouched, now_ns, sink) {
                None => {}
                Some(Admission::Ahead) => return self.doubt((rtp, bytes), part, now_ns, sink),
                Some(_) => return,
            }
        }
        self.close_over(Some(rtp.timestamp), sink);
        let found = match self.find(rtp.timestamp) {
            Some(place) => {
                let highest = self.units[place].highest;
                let number = nearest(highest, rtp.sequence);
                let is_few = !A::ENDS_BY_MARKER
                    || number <= highest + FEW_LOST
                    || mutant!("units: a number far ahead is of the unit");
                if is_few && is_near(number, highest) || vouched == Vouched::ByAnother {
                    Admission::Of(place, number)
                } else {
                    Admission::Ahead
                }
            }
            None => self.admit(rtp, part, vouched, now_ns, sink),
        };
        let (place, number) = match found {
            Admission::Of(place, number) => (place, number),
            Admission::Ahead => return self.doubt((rtp, bytes), part, now_ns, sink),
            Admission::Counted => return,
        };
        if let Err(reason) = self.units[place].assembly.check(part, number) {
            return self.stats.malformed.add(reason);
        }
        let unit = &mut self.units[place];
        if self.sequence.has(number) {
            self.stats.duplicate += 1;
            unit.duplicates = unit.duplicates.saturating_add(1);
            return;
        }
        let packet = (number, rtp.marker);
        let taken = unit
            .slot
            .map(|it| unit.assembly.take(part, packet, it, sink));
        if let Some(Err(reason)) = taken
            && !mutant!("units: a refused packet takes a number")
        {
            return self.refuse(rtp, reason);
        }
        match self.sequence.receive(number) {
            Arrival::Newest => {}
            other => {
                self.stats.reordered += 1;
                self.note_arrival(other);
            }
        }
        self.last_fit_ns = now_ns;
        let unit = &mut self.units[place];
        unit.note(unit.assembly.ends(part, rtp.marker), number);
        if taken.is_none() {
            self.stats.no_buffer += 1;
            return;
        }
        unit.take(now_ns);
        self.stats.accepted += 1;
        if sink.follows()
            && !self
                .refused
                .are_of_other_format(rtp.timestamp, &self.sequence)
        {
            self.units[place].tell(sink);
        }
    }

    /// Handles a packet where the stream cannot be yet: keeps it, or goes on with it and the one that was kept.
    fn doubt(
        &mut self,
        (rtp, packet): (&RtpHeader, &[u8]),
        part: A::Part<'_>,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) {
        let fitting = self.stats.accepted + self.stats.no_buffer;
        if !self.ahead.agrees(rtp, &self.pace, fitting) {
            if self.ssrc != Some(rtp.ssrc) && self.strangers.note(rtp) {
                return self.take((rtp, packet), part, Vouched::ByAnother, now_ns, sink);
            }
            self.ahead.keep(rtp, packet, fitting);
            return self.note_astray();
        }
        let (kept, len) = self.ahead.take();
        if let Ok((rtp, payload)) = RtpHeader::parse(&kept[..len])
            && let Ok(part) = self.units[0].assembly.parse(payload, rtp.marker)
        {
            self.stats.late -= 1;
            self.stats.astray -= 1;
            let kept = (&rtp, &kept[..len]);
            self.take(kept, part, Vouched::ByAnother, now_ns, sink);
        }
        self.ahead.put_back(kept);
        self.take((rtp, packet), part, Vouched::ByAnother, now_ns, sink);
    }

    fn note_arrival(&mut self, arrival: Arrival) {
        self.pace
            .arrive(u64::from(arrival == Arrival::Lost), &mut self.stats);
    }

    const fn note_astray(&mut self) {
        self.stats.late += 1;
        self.stats.astray += 1;
    }

    /// Counts a packet whose payload is refused. It changes nothing: its number is missing until another packet has it.
    fn refuse(&mut self, rtp: &RtpHeader, reason: A::Malformed) {
        self.stats.malformed.add(reason);
        let Some((_, newest)) = self.newest().filter(|_| self.ssrc == Some(rtp.ssrc)) else {
            return;
        };
        let place = self.find(rtp.timestamp);
        let highest = place.map_or(newest, |it| self.units[it].highest);
        let number = nearest(highest, rtp.sequence);
        if reason.is_ignored() {
            // A packet that is not may have its number, too.
            if is_near(number, highest) {
                self.ignored.note(number, rtp.marker);
            }
            return;
        }
        self.sequence.refuse(number);
        self.refused.note(Refused {
            number,
            timestamp: rtp.timestamp,
            is_of_other_format: reason.is_of_other_format(),
        });
    }

    /// Notes a packet that is the next one of the unit that was closed last, which so is no part of the unit after it.
    /// Returns whether it is.
    fn follow_closed(&mut self, rtp: &RtpHeader, number: u64) -> bool {
        let Some(closed) = &mut self.closed else {
            return false;
        };
        if (closed.timestamp, closed.highest + 1) != (rtp.timestamp, number) {
            return false;
        }
        let lacks_marker = closed.end == End::NoMarker && !rtp.marker;
        closed.highest = number;
        closed.next = number + 1 + u64::from(lacks_marker);
        if closed.end == End::Marker {
            closed.end = End::PastMarker;
            self.stats.units_past_marker += 1;
            self.wary = Self::WARY;
        }
        let arrival = self.sequence.receive(number);
        self.note_arrival(arrival);
        true
    }

    /// Follows the source of a packet: what becomes of it if it does not.
    fn turn_to(
        &mut self,
        rtp: &RtpHeader,
        vouched: Vouched,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Option<Admission> {
        let is_silent = self.is_silent(now_ns);
        let sources = (&mut self.ssrc, &mut self.other_ssrc);
        match turn_to(rtp.ssrc, sources, is_silent, vouched, &mut self.stats) {
            Turn::Stay => Some(Admission::Counted),
            Turn::Doubt => Some(Admission::Ahead),
            Turn::Follow => {
                self.close(sink);
                self.forget();
                None
            }
        }
    }

    /// Finds the unit of a packet that is of none in assembly, and the packet's unwrapped number.
    fn admit(
        &mut self,
        rtp: &RtpHeader,
        part: A::Part<'_>,
        vouched: Vouched,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        let Some((newest, highest)) = self.newest() else {
            let number = self.sequence.start(rtp.sequence);
            return self.open(rtp, part, (number, now_ns), sink);
        };
        if timestamp_after(rtp.timestamp, newest) {
            let gap = self.units[0].assembly.gap();
            let number = self.sequence.after(highest, rtp.sequence, gap);
            if number.saturating_sub(highest) > gap {
                return self.stray(rtp, part, now_ns, sink);
            }
            let ticks = rtp.timestamp.wrapping_sub(newest);
            let elapsed_ns = now_ns.saturating_sub(self.last_fit_ns);
            // A unit of one packet would wait for the next one.
            let is_due = A::ENDS_BY_MARKER || self.pace.is_due(ticks);
            let is_there = is_due && self.pace.is_passed(ticks, elapsed_ns)
                || vouched == Vouched::ByAnother
                || self.is_silent(now_ns)
                || mutant!("units: one timestamp moves the clock");
            if !is_there {
                return Admission::Ahead;
            }
            let admitted = self.open(rtp, part, (number, now_ns), sink);
            if matches!(admitted, Admission::Of(..)) {
                let back = self.sequence.rewind(number);
                self.pace.arrive(back, &mut self.stats);
            }
            return admitted;
        }
        let number = nearest(highest, rtp.sequence);
        if self.is_between(rtp.timestamp, number) {
            return self.open(rtp, part, (number, now_ns), sink);
        }
        if self.follow_closed(rtp, number) {
            self.stats.late += 1;
            return Admission::Counted;
        }
        if number > highest {
            return self.stray(rtp, part, now_ns, sink);
        }
        match self.sequence.receive(number) {
            Arrival::Duplicate => {
                self.stats.duplicate += 1;
                return Admission::Counted;
            }
            arrival => self.note_arrival(arrival),
        }
        self.stray(rtp, part, now_ns, sink)
    }

    /// Whether a unit lies between the last closed one and the only one in assembly.
    fn is_between(&self, timestamp: u32, number: u64) -> bool {
        let after_closed = self.closed.is_none_or(|closed| {
            timestamp_after(timestamp, closed.timestamp) && number > closed.highest
        });
        self.active == 1 && after_closed && number < self.units[0].lowest
    }

    /// Handles a packet that contradicts the current source: the source has restarted if enough others agree with it
    /// and none fits.
    fn stray(
        &mut self,
        rtp: &RtpHeader,
        part: A::Part<'_>,
        now_ns: u64,
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        if !self.candidates.note(rtp) || !self.is_silent(now_ns) {
            self.stats.late += 1;
            return Admission::Counted;
        }
        self.stats.restarts += 1;
        self.close(sink);
        self.forget();
        let number = self.sequence.start(rtp.sequence);
        self.open(rtp, part, (number, now_ns), sink)
    }

    fn forget(&mut self) {
        self.ahead.forget();
        self.strangers.forget();
        (self.closed, self.wary) = (None, 0);
        self.candidates = Candidates::default();
        self.ignored.forget();
        self.refused.forget();
    }

    /// Whether no packet has fit for the time-out.
    const fn is_silent(&self, now_ns: u64) -> bool {
        now_ns.saturating_sub(self.last_fit_ns) >= self.timeout_ns
    }

    /// Whether a unit of its own can have this timestamp, beside those around it.
    fn is_apart(&self, timestamp: u32) -> bool {
        let active = self.units[..self.active].iter().map(|it| it.timestamp);
        let closed = self.closed.map(|it| it.timestamp);
        let mut around = active.chain(closed);
        around.all(|it| self.pace.is_apart(timestamp.wrapping_sub(it)))
    }

    fn find(&self, timestamp: u32) -> Option<usize> {
        let mut units = self.units[..self.active].iter();
        units.position(|unit| unit.timestamp == timestamp)
    }

    /// Timestamp and highest number of the newest unit, in assembly or closed.
    fn newest(&self) -> Option<(u32, u64)> {
        let unit = self.units[..self.active].last();
        unit.map(|unit| (unit.timestamp, unit.highest))
            .or(self.closed.map(|it| (it.timestamp, it.highest)))
    }

    /// Opens a unit in the order of the timestamps.
    fn open(
        &mut self,
        rtp: &RtpHeader,
        part: A::Part<'_>,
        (number, now_ns): (u64, u64),
        sink: &mut impl Sink<Slot = S>,
    ) -> Admission {
        let may_begin = self.is_apart(rtp.timestamp) && self.pace.begin(now_ns);
        if !(may_begin || mutant!("units: a unit a packet")) {
            self.note_astray();
            return Admission::Counted;
        }
        if self.active == self.units.len() {
            self.close_oldest(sink);
        }
        let slot = sink.open(rtp.timestamp);
        self.stats.units_no_buffer += u64::from(slot.is_none());
        let place = self.active;
        self.active += 1;
        let unit = &mut self.units[place];
        unit.begin(rtp.timestamp, slot, number, now_ns);
        unit.assembly.begin(part);
        unit.first = unit.assembly.first_number(part, number);
        if place == 1 && timestamp_after(self.units[0].timestamp, rtp.timestamp) {
            self.units.swap(0, 1);
            return Admission::Of(0, number);
        }
        Admission::Of(place, number)
    }

    /// Where the numbers of a unit begin, if its packets show it, or its predecessor was seen.
    fn start_of(&self, place: usize) -> Option<u64> {
        let unit = &self.units[place];
        let (timestamp, next, has_marker) = match place {
            _ if unit.first.is_some() => return unit.first,
            0 => {
                let it = self.closed?;
                (it.timestamp, it.next, it.end != End::NoMarker)
            }
            _ => {
                let it = &self.units[place - 1];
                (it.timestamp, it.next_number(), it.marker.is_some())
            }
        };
        if next >= unit.lowest {
            return Some(next);
        }
        // Packets that were refused may be a unit of their own, or the rest of the one before.
        let is_between = |it: u32| {
            let [after, before] = [it.wrapping_sub(timestamp), unit.timestamp.wrapping_sub(it)];
            match after {
                0 => !has_marker,
                _ => [after, before].into_iter().all(|it| self.pace.is_later(it)),
            }
        };
        let numbers = (next, unit.lowest);
        Some(self.refused.after(numbers, &self.sequence, is_between))
    }

    /// Closes units of which all packets came, and the ones before them: up to the unit with the timestamp `but`, of which
    /// more packets may have come together.
    fn close_over(&mut self, but: Option<u32>, sink: &mut impl Sink<Slot = S>) {
        let end = but.and_then(|it| self.find(it)).unwrap_or(self.active);
        if let Some(place) = (0..end).rev().find(|place| self.is_over(*place)) {
            (0..=place).for_each(|_| self.close_oldest(sink));
        }
    }

    /// Whether all packets of a unit came: up to the marker, or to the next unit.
    fn is_over(&self, place: usize) -> bool {
        let unit = &self.units[place];
        let is_all = unit.assembly.is_all();
        let is_early = is_all == Some(false) && !mutant!("units: a marker ends what is not all");
        let end = match self.units[..self.active].get(place + 1) {
            _ if is_all == Some(true) => unit.highest,
            _ if (self.wary == 0 || mutant!("units: an early marker is believed again"))
                && unit.ends_with_marker()
                && !is_early =>
            {
                unit.highest
            }
            Some(next) if next.lowest > unit.highest => next.lowest,
            _ => return false,
        };
        let start = self.start_of(place).unwrap_or(unit.lowest);
        self.sequence.has_all(start, end)
            || self.ignored.are_all_missing(start..end, &self.sequence)
    }

    fn close_oldest(&mut self, sink: &mut impl Sink<Slot = S>) {
        if self.active == 0 {
            return;
        }
        let start = self.start_of(0);
        let next = (self.active == 2).then(|| self.units[1].lowest);
        self.active -= 1;
        self.units.swap(0, 1);
        let unit = &mut self.units[1];
        let is_all = unit.assembly.is_all() == Some(true);
        let by_marker = is_all || self.wary == 0 && unit.ends_with_marker();
        let end = match next {
            Some(next) if !by_marker => next.max(unit.highest + 1),
            _ => unit.highest + 1,
        };
        let from = start.unwrap_or(unit.lowest);
        let ignored_end = self.ignored.settle(from..end, &mut self.sequence);
        unit.marker = unit.marker.or(ignored_end);
        let lost = self.sequence.missing(from, end);
        let is_whole = self.sequence.has_all(unit.lowest, end);
        let is_ended = by_marker || next.is_some() && is_whole;
        let missing = self.sequence.settle(unit.highest + 1);
        self.pace.lose(missing, &mut self.stats, self.last_fit_ns);
        self.closed = Some(Closed {
            timestamp: unit.timestamp,
            highest: unit.highest,
            next: unit.next_number(),
            end: match (unit.marker, unit.is_past_marker) {
                (None, _) => End::NoMarker,
                (Some(_), false) => End::Marker,
                (Some(_), true) => End::PastMarker,
            },
        });
        self.stats.units_without_marker += u64::from(unit.marker.is_none() && is_ended);
        self.stats.units_past_marker += u64::from(unit.is_past_marker);
        self.wary = match unit.is_past_marker {
            true => Self::WARY,
            false => self.wary.saturating_sub(1),
        };
        let Some(slot) = unit.slot else { return };
        let is_ended = is_ended || !A::ENDS_BY_MARKER;
        let has_end = unit.marker.is_some() || is_all;
        let is_whole = is_whole && is_ended && has_end;
        // Of the first unit of a source, packets may have come before the session listened.
        let mut report = unit.report(is_whole && lost == 0 && start.is_some(), lost);
        // Its number is missing, so the unit is not whole.
        let timestamp = unit.timestamp;
        report.wrong_format = self.refused.are_of_other_format(timestamp, &self.sequence);
        unit.assembly.finish(&mut report, is_whole, slot, sink);
        report.wrong_format &= !report.complete;
        match report.complete {
            true => {
                self.pace.complete();
                report.packets_lost = 0;
                self.stats.units_complete += 1;
            }
            false => self.stats.units_incomplete += 1,
        }
        self.stats.units_wrong_format += u64::from(report.wrong_format);
        sink.finish(slot, &report);
    }
}

impl<S: Copy, A: Assembly> Depacketise<S> for UnitReceiver<S, A> {
    fn push(&mut self, run: &Run<'_>, sink: &mut impl Sink<Slot = S>) {
        for packet in run.packets {
            self.packet(packet, run.now_ns, sink);
        }
        self.close_over(None, sink);
    }

    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool {
        let Ok(part) = self.units[0].assembly.parse(payload, rtp.marker) else {
            return true;
        };
        let unit = self.find(rtp.timestamp).map(|it| &self.units[it]);
        unit.is_some_and(|it| {
            let number = nearest(it.highest, rtp.sequence);
            it.assembly.check(part, number).is_err()
        })
    }

    fn fetch(&self, _packets: usize, sink: &impl Sink<Slot = S>) {
        sink.fetch_word(self.sequence.next_word());
    }

    fn expire(&mut self, now_ns: u64, sink: &mut impl Sink<Slot = S>) {
        let overdue =
            |unit: &Unit<S, A>| now_ns >= unit.last_packet_ns.saturating_add(self.timeout_ns);
        if let Some(last) = self.units[..self.active].iter().rposition(overdue) {
            (0..=last).for_each(|_| self.close_oldest(sink));
        }
    }

    fn deadline(&self) -> Option<u64> {
        let units = self.units[..self.active].iter();
        let last = units.map(|unit| unit.last_packet_ns).min()?;
        Some(last.saturating_add(self.timeout_ns))
    }

    fn close(&mut self, sink: &mut impl Sink<Slot = S>) {
        // Each turn closes one.
        while self.active > 0 {
            self.close_oldest(sink);
        }
    }

    fn reset(&mut self, discard: impl FnMut(S)) {
        let units = self.units[..self.active].iter();
        units.filter_map(|unit| unit.slot).for_each(discard);
        self.active = 0;
        self.ssrc = None;
        self.forget();
    }

    fn under_way(&self) -> usize {
        self.active
    }

    fn set_payload_types(&mut self, types: PayloadTypes) {
        self.payload_types = types;
    }

    fn ssrc(&self) -> Option<u32> {
        self.ssrc
    }

    fn other_ssrc(&self) -> Option<u32> {
        self.other_ssrc
    }

    fn stats(&self) -> &ReceiveStats {
        &self.stats
    }
}
