//! One frame in assembly.

use crate::rtp::RtpHeader;

use super::coverage::{Coverage, MissingRange};
use super::report::{FrameReport, LISTED_RANGES};

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
    pub(super) marker_seen: bool,
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
            marker_seen: false,
            wrong_format: false,
            received: 0,
            duplicates: 0,
            first_packet_ns: 0,
            last_packet_ns: 0,
        }
    }

    /// Begins the frame of a packet with the unwrapped sequence number `number`.
    pub(super) fn begin(&mut self, timestamp: u32, slot: Option<S>, number: u64, now_ns: u64) {
        self.coverage.clear();
        self.timestamp = timestamp;
        self.slot = slot;
        self.lowest = number;
        self.highest = number;
        self.marker_seen = false;
        self.wrong_format = false;
        self.received = 0;
        self.duplicates = 0;
        self.first_packet_ns = now_ns;
        self.last_packet_ns = now_ns;
    }

    /// Notes a packet whose bytes fit the frame.
    #[inline]
    pub(super) fn note(&mut self, rtp: &RtpHeader, number: u64, now_ns: u64) {
        self.note_edges(rtp, number);
        self.received = self.received.saturating_add(1);
        self.last_packet_ns = now_ns;
    }

    /// Notes where in the stream a packet of the frame lies.
    #[inline]
    pub(super) fn note_edges(&mut self, rtp: &RtpHeader, number: u64) {
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
        self.marker_seen |= rtp.marker;
    }

    /// Whether every byte arrived, and the packet after which none follows. Without the second
    /// condition a part of a larger picture would pass for a frame.
    #[inline]
    pub(super) const fn is_over(&self) -> bool {
        self.marker_seen && self.coverage.is_complete()
    }

    pub(super) fn report(&self, lost: u64) -> FrameReport {
        let mut listed = [MissingRange::default(); LISTED_RANGES];
        let mut listed_count = 0;
        let complete = self.coverage.is_complete() && !self.wrong_format;
        if !complete {
            for (place, range) in listed.iter_mut().zip(self.coverage.missing()) {
                *place = range;
                listed_count += 1;
            }
        }
        FrameReport {
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
            marker_seen: self.marker_seen,
            wrong_format: self.wrong_format,
        }
    }
}
