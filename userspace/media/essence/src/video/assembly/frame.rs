//! One frame in assembly.

use crate::video::{Scan, VideoFormat};

use crate::rtp::RtpHeader;

use super::coverage::Coverage;
use crate::receive::{LISTED_RANGES, MissingRange, Sink, UnitProgress, UnitReport};
use crate::video::tag;

/// State of a frame with at least one packet. The next frame reuses its bitmap.
#[derive(Debug)]
pub(super) struct Frame<S> {
    pub(super) coverage: Coverage,
    pub(super) timestamp: u32,
    /// `None`: there was no memory for the frame.
    pub(super) slot: Option<S>,
    /// Lowest and highest unwrapped sequence number.
    pub(super) lowest: u64,
    pub(super) highest: u64,
    /// Field bit of its first packet.
    pub(super) field: bool,
    /// One bit each for the field bit clear or set: packets came, and the marker came.
    seen: u8,
    markers: u8,
    /// The markers after which the frame may be over.
    wanted: u8,
    /// Packets came behind the marker.
    pub(super) is_past_marker: bool,
    /// Which field it is.
    tag: u32,
    /// So many bytes a reader was told of.
    pub(super) told: usize,
    /// Packets of it do not fit the session's raster: it is a part of a larger picture.
    pub(super) wrong_format: bool,
    pub(super) received: u32,
    pub(super) duplicates: u32,
    pub(super) first_packet_ns: u64,
    pub(super) last_packet_ns: u64,
}

impl<S: Copy> Frame<S> {
    pub(super) const fn idle(coverage: Coverage) -> Self {
        Self {
            coverage,
            timestamp: 0,
            slot: None,
            lowest: 0,
            highest: 0,
            field: false,
            seen: 0,
            markers: 0,
            wanted: 0,
            is_past_marker: false,
            tag: tag::FRAME,
            told: 0,
            wrong_format: false,
            received: 0,
            duplicates: 0,
            first_packet_ns: 0,
            last_packet_ns: 0,
        }
    }

    /// Begins the frame of a packet with the field bit `field` and the unwrapped sequence number
    /// `number`.
    pub(super) fn begin(
        &mut self,
        format: &VideoFormat,
        (timestamp, field): (u32, bool),
        slot: Option<S>,
        number: u64,
        now_ns: u64,
    ) {
        let (pgroups, wanted, tag) = match (format.scan(), field) {
            (Scan::Progressive, _) => (format.frame_pgroups(), 0b01, tag::FRAME),
            (Scan::Interlaced, false) => (format.frame_pgroups(), 0b01, tag::FIRST_FIELD),
            (Scan::Interlaced, true) => (format.second_field_pgroups(), 0b10, tag::SECOND_FIELD),
            (Scan::Psf, _) => (format.frame_pgroups(), 0b11, tag::FRAME),
        };
        self.coverage.clear_for(pgroups);
        (self.field, self.wanted, self.tag) = (field, wanted, tag);
        (self.seen, self.markers, self.is_past_marker) = (0, 0, false);
        self.timestamp = timestamp;
        self.slot = slot;
        self.told = 0;
        self.lowest = number;
        self.highest = number;
        self.wrong_format = false;
        self.received = 0;
        self.duplicates = 0;
        self.first_packet_ns = now_ns;
        self.last_packet_ns = now_ns;
    }

    /// Notes a packet whose bytes fit the frame.
    #[inline]
    pub(super) fn note(&mut self, rtp: &RtpHeader, field: bool, number: u64, now_ns: u64) {
        self.is_past_marker |= self.marker_seen() && number > self.highest;
        self.note_edges(number);
        self.seen |= 1 << u8::from(field);
        self.markers |= u8::from(rtp.marker) << u8::from(field);
        self.received = self.received.saturating_add(1);
        self.last_packet_ns = now_ns;
    }

    /// Notes as many packets without marker, whose bytes fit the frame, with unwrapped numbers from the first on.
    #[inline]
    pub(super) fn note_train(&mut self, field: bool, (number, count): (u64, usize), now_ns: u64) {
        self.note_edges(number);
        self.note_edges(number + count as u64 - 1);
        self.seen |= 1 << u8::from(field);
        let count = u32::try_from(count).expect("packets of a burst");
        self.received = self.received.saturating_add(count);
        self.last_packet_ns = now_ns;
    }

    #[inline]
    fn note_edges(&mut self, number: u64) {
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
    }

    /// Whether the packet after which none follows arrived: of segmented video, both.
    #[inline]
    pub(super) const fn marker_seen(&self) -> bool {
        self.markers & self.wanted == self.wanted
    }

    /// Whether a segment came to its end and nothing of the other came: the source sends fields.
    const fn is_a_field(&self) -> bool {
        self.wanted == 0b11 && self.seen != 0b11 && self.markers == self.seen
    }

    /// Whether every byte arrived, and the packet after which none follows. Without the second
    /// condition a part of a larger picture would pass for a frame.
    #[inline]
    pub(super) const fn is_over(&self) -> bool {
        self.marker_seen() && self.coverage.is_complete()
    }

    /// Tells a reader how many rows of it stand.
    #[inline(never)]
    pub(super) fn tell(&mut self, format: &VideoFormat, sink: &mut impl Sink<Slot = S>) {
        let Some(slot) = self.slot.filter(|_| !self.wrong_format) else {
            return;
        };
        let rows = self.coverage.stands() * format.pgroup_bytes() / format.line_bytes();
        self.told = rows * format.line_bytes();
        let progress = UnitProgress {
            rtp_timestamp: self.timestamp,
            first_packet_ns: self.first_packet_ns,
            tag: self.tag,
            bytes: self.told,
        };
        sink.progress(slot, &progress);
    }

    pub(super) fn report(&self, lost: u64) -> UnitReport {
        let mut listed = [MissingRange::default(); LISTED_RANGES];
        let mut listed_count = 0;
        // The other segment may be lost.
        let wrong_format = self.wrong_format || lost == 0 && self.is_a_field();
        let complete = self.coverage.is_complete() && !wrong_format;
        if !complete {
            for (place, range) in listed.iter_mut().zip(self.coverage.missing()) {
                *place = range;
                listed_count += 1;
            }
        }
        UnitReport {
            rtp_timestamp: self.timestamp,
            complete,
            bytes_missing: self.coverage.bytes_missing(),
            listed,
            listed_count,
            packets_received: self.received,
            packets_lost: if complete {
                0
            } else {
                u32::try_from(lost).unwrap_or(u32::MAX)
            },
            duplicates: self.duplicates,
            first_packet_ns: self.first_packet_ns,
            last_packet_ns: self.last_packet_ns,
            marker_seen: self.marker_seen(),
            wrong_format,
            tag: self.tag,
        }
    }
}
