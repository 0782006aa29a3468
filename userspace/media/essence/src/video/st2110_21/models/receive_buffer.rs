//! The virtual receive buffer (ST 2110-21 §6.6.2), as EBU LIST computes its level.

use super::super::schedule::{Schedule, float};

/// Arrivals fill it, and reads at the times of the schedule empty it. Only meaningful if sender and
/// measured times follow the same clock.
#[derive(Debug, Clone, Copy)]
pub struct ReceiveBuffer {
    schedule: Schedule,
    spacing_s: f64,
    per_second: f64,
    /// Of the current unit, if one has started.
    unit: Option<Unit>,
}

#[derive(Debug, Clone, Copy)]
struct Unit {
    /// TVD less one spacing, in parts of a nanosecond.
    origin: i128,
    /// Time of the last packet.
    last_ns: Option<u64>,
    drained: i64,
    level: i64,
    later_reads: i64,
}

impl ReceiveBuffer {
    /// The empty buffer of a stream with this schedule.
    #[must_use]
    pub fn new(schedule: &Schedule) -> Self {
        let per_second = float(schedule.scale()) * 1e9;
        Self {
            schedule: *schedule,
            spacing_s: float(schedule.spacing()) / per_second,
            per_second,
            unit: None,
        }
    }

    /// A frame or field starts with the packet of `tai_ns`. Returns by how many nanoseconds the first
    /// read is later than the packet: the margin.
    pub fn start(&mut self, tai_ns: u64) -> i64 {
        let schedule = &self.schedule;
        let at = i128::from(tai_ns) * schedule.scale();
        let number = schedule.unit_of_first(tai_ns);
        let first_read = i128::from(number) * schedule.period() + schedule.offset();
        self.unit = Some(Unit {
            origin: first_read - schedule.spacing(),
            last_ns: None,
            drained: 0,
            level: 0,
            later_reads: schedule.later_reads(number),
        });
        let margin = (first_read - at).div_euclid(schedule.scale());
        i64::try_from(margin).unwrap_or(i64::MAX)
    }

    /// Reads of the current unit that may come half a line later than the level says.
    #[inline]
    pub const fn later_reads(&self) -> i64 {
        match &self.unit {
            Some(unit) => unit.later_reads,
            None => 0,
        }
    }

    /// The level after the packet of `tai_ns`; `None` before the first start.
    #[inline]
    pub fn packet(&mut self, tai_ns: u64) -> Option<i64> {
        let unit = self.unit.as_mut()?;
        if unit.last_ns.replace(tai_ns) == Some(tai_ns) {
            // Packets of one burst.
            unit.level = unit.level.saturating_add(1);
            return Some(unit.level);
        }
        let since = i128::from(tai_ns) * self.schedule.scale() - unit.origin;
        let spacing = self.schedule.spacing();
        let (reads, rest) = match (i64::try_from(since), i64::try_from(spacing)) {
            (Ok(since), Ok(spacing)) => (since / spacing, since % spacing),
            _ => divide(since, spacing),
        };
        let drained = if rest == 0 {
            self.spacing_of_doubles(since - spacing)
        } else {
            reads
        };
        let unit = self.unit.as_mut()?;
        let newly = drained.saturating_sub(unit.drained);
        unit.level = unit.level.saturating_add(1).saturating_sub(newly);
        unit.drained = drained;
        Some(unit.level)
    }

    /// `times` more packets at the time of the last one. The level after them.
    #[inline]
    pub fn repeat(&mut self, times: u32) -> Option<i64> {
        let unit = self.unit.as_mut()?;
        unit.level = unit.level.saturating_add(times.into());
        Some(unit.level)
    }

    /// Reads at a time exactly on a read, as LIST's doubles round it.
    #[cold]
    #[expect(clippy::cast_possible_truncation, reason = "saturates")]
    fn spacing_of_doubles(&self, after_first_read: i128) -> i64 {
        let delta_s = float(after_first_read) / self.per_second;
        ((delta_s + self.spacing_s) / self.spacing_s) as i64
    }
}

#[cold]
fn divide(since: i128, spacing: i128) -> (i64, i64) {
    let limit = i128::from(i64::MAX / 2);
    let narrow = |it: i128| i64::try_from(it.clamp(-limit, limit)).expect("clamped");
    (narrow(since / spacing), i64::from(since % spacing != 0))
}

#[cfg(test)]
mod tests {
    use super::super::super::schedule::{Reads, Stream};
    use super::*;
    use crate::video::Scan;
    use proptest::prelude::*;

    fn stream(scan: Scan, packets: u32) -> Stream {
        Stream {
            height: 1080,
            scan,
            rate: (30_000, 1001),
            packets,
            reads: Reads::Gapped,
            offset_ns: None,
            max_udp: None,
        }
    }

    const UNIT: u64 = 50_000_000_000;

    #[test]
    fn perfect_sender_finds_the_buffer_empty() {
        let schedule = Schedule::new(&stream(Scan::Progressive, 4320)).unwrap();
        let mut buffer = ReceiveBuffer::new(&schedule);
        for unit in UNIT..UNIT + 3 {
            // Each packet comes right after its read time: it is read at once.
            assert!((-1..=0).contains(&buffer.start(schedule.read_ns(unit, 0))));
            for packet in 0..4320 {
                let level = buffer.packet(schedule.read_ns(unit, packet) + 1);
                assert_eq!(level, Some(0));
            }
        }
    }

    #[test]
    fn early_sender_fills_and_late_frame_empties() {
        let schedule = Schedule::new(&stream(Scan::Interlaced, 2160)).unwrap();
        let mut buffer = ReceiveBuffer::new(&schedule);
        assert_eq!(buffer.packet(1), None);
        let at = schedule.read_ns(UNIT, 0);
        // 35 µs early at 7.41 µs a read: 4.7 reads.
        assert_eq!(buffer.start(at - 35_000), 34_999);
        assert_eq!(buffer.packet(at - 35_000), Some(4));
        // A field that is 10 ms late has 1348 reads behind it.
        assert_eq!(buffer.start(at + 10_000_000), -10_000_001);
        assert_eq!(buffer.packet(at + 10_000_000), Some(1 - 1349));
    }

    #[test]
    fn any_time_is_no_panic() {
        let mut buffer =
            ReceiveBuffer::new(&Schedule::new(&stream(Scan::Progressive, 131_071)).unwrap());
        for at in [0, u64::MAX, 1, u64::MAX] {
            buffer.start(at);
            for at in [0, u64::MAX, 1, u64::MAX] {
                buffer.packet(at);
            }
        }
    }

    proptest! {
        /// The oracle is LIST's formula in exact fractions: ties, where its doubles decide, may
        /// differ by one.
        #[test]
        fn level_is_that_of_the_slow_oracle(
            scan in prop::sample::select(vec![Scan::Progressive, Scan::Interlaced, Scan::Psf]),
            packets in 1u32..20_000,
            first in -2_000_000i64..2_000_000,
            gaps in prop::collection::vec(0u64..20_000, 1..200),
        ) {
            let schedule = Schedule::new(&stream(scan, packets)).unwrap();
            let mut buffer = ReceiveBuffer::new(&schedule);
            let mut at = (schedule.start_ns(UNIT) + 2_500_000).strict_add_signed(first);
            buffer.start(at);
            // In 1/(30000 * 2 * 1125 * packets) ns.
            let is_whole = scan == Scan::Progressive;
            let fields = if is_whole { 1 } else { 2 };
            let unit = 30_000 * 2 * 1125 * i128::from(packets);
            let frame = 1_001_000_000_000 * (unit / 30_000);
            let period = frame / fields;
            let spacing = period * 1080 / 1125 / i128::from(packets);
            let offset = frame * if is_whole { 43 } else { 22 } / 1125;
            let number = i128::from(at) * unit / period;
            let (mut level, mut drained) = (0i128, 0i128);
            for gap in gaps {
                let since = i128::from(at) * unit - number * period - offset + spacing;
                let now = since / spacing;
                level += 1 - (now - drained);
                drained = now;
                let found = i128::from(buffer.packet(at).unwrap());
                if since % spacing == 0 {
                    prop_assert!((level..=level + 1).contains(&found));
                    drained -= found - level;
                    level = found;
                } else {
                    prop_assert_eq!(found, level);
                }
                at += gap;
            }
        }
    }
}
