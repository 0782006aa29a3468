//! Spacing of a stream: the pauses between its packets, and the packets of its units.

use super::histogram::Intervals;
use super::schedule::Reads;
use super::summary::Summary;
use crate::measure::Kinds;

/// A stream whose pauses after markers are longer than this many mean distances is gapped.
const GAPPED_RATIO: f64 = 50.0;
/// Pauses that decide it.
const MIN_PAUSES: u64 = 3;

/// The times between packets.
#[derive(Debug, Clone, Default)]
pub struct Spacing {
    /// All of them, in nanoseconds; a time that goes back counts as 0.
    pub intervals: Intervals,
    /// After packets without a marker, in nanoseconds.
    pub within: Summary,
    /// After packets with a marker, in nanoseconds.
    pub after_marker: Summary,
    last: Option<(u64, bool)>,
}

impl Spacing {
    /// Adds the packet that came at `at_ns`.
    #[inline]
    pub fn packet(&mut self, at_ns: u64, marker: bool) {
        if let Some((last_ns, after_marker)) = self.last.replace((at_ns, marker)) {
            let ns = at_ns.saturating_sub(last_ns);
            self.intervals.add(ns);
            let ns = i64::try_from(ns).unwrap_or(i64::MAX);
            if after_marker {
                self.after_marker.add(ns);
            } else {
                self.within.add(ns);
            }
        }
    }

    /// `times` more packets at the time of the last one; neither it nor they have the marker.
    #[inline]
    pub fn repeat(&mut self, times: u64) {
        self.intervals.add_zeros(times);
        self.within.add_zeros(times);
    }

    /// The counts that a packet at `at_ns`, and others that come with it, will change.
    #[inline]
    pub(super) fn next_counts(&self, at_ns: u64) -> [&u64; 2] {
        let last_ns = self.last.map_or(at_ns, |(last_ns, _)| last_ns);
        self.intervals.next_counts(at_ns.saturating_sub(last_ns))
    }

    /// The schedule that the stream seems to follow; `None` before it has paused three times.
    #[must_use]
    pub fn reads(&self) -> Option<Reads> {
        let pause = self.after_marker.mean()?;
        let distance = self.within.mean().unwrap_or(0.0);
        if self.after_marker.total() < MIN_PAUSES {
            return None;
        }
        Some(if pause > distance * GAPPED_RATIO {
            Reads::Gapped
        } else {
            Reads::Linear
        })
    }

    /// Becomes equal to `other`. Does not allocate.
    pub fn copy_from(&mut self, other: &Self) {
        self.intervals.copy_from(&other.intervals);
        (self.within, self.after_marker) = (other.within, other.after_marker);
        self.last = other.last;
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.intervals.clear();
        self.within = Summary::default();
        self.after_marker = Summary::default();
        self.last = None;
    }
}

/// The packets from marker to marker, by sequence numbers, so that lost packets count.
#[derive(Debug, Clone, Copy, Default)]
pub struct UnitPackets {
    marker: Option<u16>,
    found: Kinds<u32>,
}

impl UnitPackets {
    /// Adds a packet. Returns the packets of the unit that it ends, if the start of that unit is known.
    #[inline]
    pub fn packet(&mut self, sequence: u16, marker: bool) -> Option<u32> {
        if !marker {
            return None;
        }
        let before = self.marker.replace(sequence)?;
        let packets = match sequence.wrapping_sub(before) {
            // The same packet once more, or an earlier one.
            0 | 0x8000.. => return None,
            packets => u32::from(packets),
        };
        self.found.add(packets);
        Some(packets)
    }

    /// The most frequent number of packets, the first found of equals, and how many units have it.
    #[must_use]
    pub fn usual(&self) -> Option<(u32, u64)> {
        self.found.usual().map(|it| (*it.0, it.1))
    }

    /// The numbers of packets that occurred, and in how many units: at most eight.
    pub fn occurred(&self) -> impl Iterator<Item = (u32, u64)> {
        self.found.occurred().map(|it| (*it.0, it.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_decide_between_gapped_and_linear() {
        for (pause, reads) in [(500_001, Reads::Gapped), (500_000, Reads::Linear)] {
            let mut spacing = Spacing::default();
            let mut at = 0;
            for unit in 0..4 {
                assert_eq!(spacing.reads(), None, "after {unit} units");
                for packet in 0..5 {
                    spacing.packet(at, packet == 4);
                    at += if packet == 4 { pause } else { 10_000 };
                }
            }
            assert_eq!(spacing.reads(), Some(reads));
            assert_eq!(spacing.after_marker.max(), Some(pause.cast_signed()));
            assert_eq!(spacing.within.mean(), Some(10_000.0));
        }
    }

    #[test]
    fn packets_of_a_unit_are_counted_by_sequence_numbers() {
        let mut units = UnitPackets::default();
        let mut end = |sequence| units.packet(sequence, true);
        assert_eq!(end(65_000), None);
        assert_eq!(end(624), Some(1160));
        assert_eq!(end(624), None, "a copy");
        assert_eq!(end(1784), Some(1160));
        assert_eq!(end(1700), None, "an older one");
        assert_eq!(units.packet(2000, false), None);
        assert_eq!(units.usual(), Some((1160, 2)));
        for sequence in (2000..5000u16).step_by(7).chain([9000]) {
            units.packet(sequence, true);
        }
        assert_eq!(units.usual(), Some((7, 428)));
        assert!(units.occurred().count() <= 8);
    }
}
