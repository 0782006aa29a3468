//! One unit in assembly.

use crate::ancillary::rfc8331::{HEADER_BYTES, Payload};
use crate::ancillary::unit::{HEAD_BYTES, Signalled, UNIT_BYTES, head};
use crate::receive::{Sink, UnitReport};
use crate::rtp::RtpHeader;
use crate::video::Field;

/// Most RTP packets of a unit.
const MOST_PACKETS: usize = 1024;

/// The records of one RTP packet.
#[derive(Debug, Clone, Copy)]
struct Part {
    /// Unwrapped sequence number.
    number: u64,
    start: usize,
    end: usize,
}

/// A unit with at least one packet. The next one reuses its memory.
#[derive(Debug)]
pub(super) struct Assembly<S> {
    pub(super) timestamp: u32,
    /// `None`: there was no memory for the unit.
    pub(super) slot: Option<S>,
    /// Lowest and highest unwrapped sequence number.
    pub(super) lowest: u64,
    pub(super) highest: u64,
    /// The number of the packet with the marker.
    pub(super) marker: Option<u64>,
    /// A packet of it was refused.
    pub(super) is_refused: bool,
    pub(super) duplicates: u32,
    pub(super) last_packet_ns: u64,
    first_packet_ns: u64,
    tag: u32,
    received: u32,
    packets: u32,
    wrong: u32,
    /// Records in the order of arrival, and where each RTP packet's are.
    records: Box<[u8]>,
    used: usize,
    parts: Vec<Part>,
}

impl<S: Copy> Assembly<S> {
    pub(super) fn idle() -> Self {
        Self {
            timestamp: 0,
            slot: None,
            lowest: 0,
            highest: 0,
            marker: None,
            is_refused: false,
            duplicates: 0,
            last_packet_ns: 0,
            first_packet_ns: 0,
            tag: 0,
            received: 0,
            packets: 0,
            wrong: 0,
            records: vec![0; UNIT_BYTES - HEAD_BYTES].into_boxed_slice(),
            used: 0,
            parts: Vec::with_capacity(MOST_PACKETS),
        }
    }

    /// Begins the unit of a packet with the unwrapped sequence number `number`.
    pub(super) fn begin(
        &mut self,
        timestamp: u32,
        field: Signalled,
        slot: Option<S>,
        number: u64,
        now_ns: u64,
    ) {
        (self.timestamp, self.slot) = (timestamp, slot);
        (self.lowest, self.highest, self.marker) = (number, number, None);
        self.is_refused = false;
        (self.first_packet_ns, self.last_packet_ns) = (now_ns, now_ns);
        self.tag = Field::tag(field.field());
        (self.received, self.duplicates) = (0, 0);
        (self.packets, self.wrong, self.used) = (0, 0, 0);
        self.parts.clear();
    }

    /// The first number that the next unit may have. A unit without its marker lacks one packet at least.
    pub(super) const fn next_number(&self) -> u64 {
        match self.marker {
            Some(_) => self.highest + 1,
            None => self.highest + 2,
        }
    }

    /// Notes that a packet of it arrived.
    pub(super) fn note(&mut self, rtp: &RtpHeader, number: u64) {
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
        if rtp.marker {
            self.marker = Some(number);
        }
    }

    /// Takes the ANC packets of a payload. Returns whether there was room.
    pub(super) fn take(&mut self, payload: &Payload<'_>, number: u64, now_ns: u64) -> bool {
        let start = self.used;
        let (mut end, mut wrong) = (start, 0);
        for packet in payload {
            let record = packet.record();
            let Some(bytes) = record.write(packet.data(), &mut self.records[end..]) else {
                return false;
            };
            end += bytes;
            wrong += u32::from(record.is_wrong());
        }
        if self.parts.len() == MOST_PACKETS {
            return false;
        }
        self.parts.push(Part { number, start, end });
        self.used = end;
        self.packets += u32::from(payload.packets);
        self.wrong += wrong;
        self.received = self.received.saturating_add(1);
        self.last_packet_ns = now_ns;
        true
    }

    /// Writes the unit in the order in which it was sent.
    pub(super) fn write(&mut self, slot: S, sink: &mut impl Sink<Slot = S>) {
        let mut at = HEAD_BYTES;
        let head = head(HEAD_BYTES + self.used, self.packets, self.wrong);
        sink.write(slot, 0, &head);
        self.parts.sort_unstable_by_key(|part| part.number);
        for part in &self.parts {
            let records = &self.records[part.start..part.end];
            sink.write(slot, at, records);
            at += records.len();
        }
    }

    pub(super) fn report(&self, complete: bool, lost: u64) -> UnitReport {
        UnitReport {
            rtp_timestamp: self.timestamp,
            complete,
            // At least: it is unknown what they had.
            bytes_missing: match complete {
                true => 0,
                false => HEADER_BYTES * usize::try_from(lost.max(1)).unwrap_or(1),
            },
            listed: Default::default(),
            listed_count: 0,
            packets_received: self.received,
            packets_lost: match complete {
                true => 0,
                false => u32::try_from(lost).unwrap_or(u32::MAX),
            },
            duplicates: self.duplicates,
            first_packet_ns: self.first_packet_ns,
            last_packet_ns: self.last_packet_ns,
            marker_seen: self.marker.is_some(),
            wrong_format: false,
            tag: self.tag,
        }
    }
}
