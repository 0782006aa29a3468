//! A stream over its time, gathered in the second pass. The first one found its length, so that the parts are fixed and
//! memory is constant.

use onair_essence::rtp::{RtpHeader, timestamp_after};
use onair_essence::survey::Sequences;

use crate::document::over_time::{Axis, Band, OverTime, TimeBin};

/// The parts of a stream's time.
#[derive(Debug)]
pub(super) struct Series {
    axis: Axis,
    parts: Vec<TimeBin>,
    sequences: Sequences,
    last_ns: Option<u64>,
    marker_ns: Option<u64>,
    /// The latest timestamp.
    timestamp: Option<u32>,
}

/// A packet's facts beside its header.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Shown {
    pub(super) bytes: u64,
    pub(super) delay_ns: Option<i64>,
    pub(super) cinst: Option<u64>,
    pub(super) vrx: Option<i64>,
}

impl Series {
    pub(super) fn new(axis: Axis) -> Self {
        let bins = usize::try_from(axis.bins).expect("at most 120");
        Self {
            axis,
            parts: vec![TimeBin::default(); bins],
            sequences: Sequences::default(),
            last_ns: None,
            marker_ns: None,
            timestamp: None,
        }
    }

    pub(super) fn packet(&mut self, at_ns: u64, rtp: &RtpHeader, shown: Shown) {
        let part = &mut self.parts[self.axis.bin(at_ns)];
        part.packets += 1;
        part.bytes += shown.bytes;
        let sequences = &mut self.sequences;
        let before = (sequences.lost(), sequences.late(), sequences.duplicates());
        sequences.packet(rtp.sequence);
        // A late packet lowers it.
        part.missing += sequences.lost().saturating_sub(before.0);
        part.late += sequences.late() - before.1;
        part.duplicates += sequences.duplicates() - before.2;
        if let Some(last_ns) = self.last_ns.replace(at_ns) {
            let interval_ns = at_ns.saturating_sub(last_ns);
            part.longest_interval_ns = part.longest_interval_ns.max(interval_ns);
        }
        if rtp.marker
            && let Some(last_ns) = self.marker_ns.replace(at_ns)
        {
            let interval_ns = at_ns.cast_signed().saturating_sub(last_ns.cast_signed());
            part.marker_interval_ns = Some(Band::with(part.marker_interval_ns, interval_ns));
        }
        // The others of a frame come later by its length, which says nothing of clocks.
        let is_first = self
            .timestamp
            .is_none_or(|it| timestamp_after(rtp.timestamp, it));
        if is_first {
            self.timestamp = Some(rtp.timestamp);
        }
        if let Some(ns) = shown.delay_ns.filter(|_| is_first) {
            let first = &mut part.first_after_timestamp_ns;
            *first = Some(Band::with(*first, ns));
        }
        part.cinst_max = part.cinst_max.max(shown.cinst);
        if let Some(level) = shown.vrx {
            part.vrx = Some(Band::with(part.vrx, level));
        }
    }

    /// A packet came `after_ns` after the same one of the first leg.
    pub(super) fn after_first_leg(&mut self, at_ns: u64, after_ns: i64) {
        let part = &mut self.parts[self.axis.bin(at_ns)];
        part.after_first_leg_ns = Some(Band::with(part.after_first_leg_ns, after_ns));
    }

    pub(super) fn document(&self) -> OverTime {
        OverTime {
            axis: self.axis,
            parts: self.parts.clone(),
        }
    }
}
