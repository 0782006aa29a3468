//! When the packets of a send session are due: evenly over each frame's time.
//!
//! Like the linear senders of ST 2110-21, but in groups, because each driver burst costs a system
//! call on AF_XDP. Every time is computed from the epoch with integers, so that rounding errors do
//! not add up.

use onair_types::Scan;

use crate::video::{FrameRate, VideoFormat};

/// Packets due at the same instant.
pub const GROUP: u32 = 8;

/// The schedule of one send session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    epoch_ns: u64,
    rate: FrameRate,
    packets: u32,
}

impl Schedule {
    /// Schedule of frames of `packets` packets at `rate`; frame 0 starts at `epoch_ns` of a
    /// monotonic clock.
    #[must_use]
    pub const fn new(epoch_ns: u64, rate: FrameRate, packets: u32) -> Self {
        Self {
            epoch_ns,
            rate,
            packets,
        }
    }

    /// How long after its frame's time the first packet of a frame is due, in nanoseconds: the default
    /// TROFFSET of ST 2110-21. Interlaced: of both fields, each from its own time.
    #[must_use]
    pub fn default_offset_ns(format: &VideoFormat) -> u64 {
        let (lines, of) = match (format.scan(), format.height()) {
            (Scan::Progressive, 1080..) => (43, 1125),
            (Scan::Progressive, _) => (28, 750),
            (_, ..=487) => (20, 525),
            (_, ..=576) => (26, 625),
            (..) => (22, 1125),
        };
        format.rate().nanos(lines) / of
    }

    /// When frame `n` starts, in nanoseconds of the clock of the epoch.
    #[must_use]
    pub const fn frame_start(&self, n: u64) -> u64 {
        self.epoch_ns.saturating_add(self.rate.nanos(n))
    }

    /// The frame whose time contains `now_ns`; 0 before the epoch.
    #[must_use]
    pub const fn frame_at(&self, now_ns: u64) -> u64 {
        self.rate.frame_at(now_ns.saturating_sub(self.epoch_ns))
    }

    /// When packet `index` of frame `n` is due. Each aligned group of [`GROUP`] packets is due
    /// together.
    #[must_use]
    pub const fn due(&self, n: u64, index: u32) -> u64 {
        let start = self.frame_start(n);
        if self.packets == 0 {
            return start;
        }
        let period = self.frame_start(n + 1) - start;
        let group = index / GROUP * GROUP;
        // The period is below 2^32 s even at the slowest rate; group and packets are below 2^32.
        let share = period as u128 * group as u128 / self.packets as u128;
        #[expect(clippy::cast_possible_truncation, reason = "a share of a u64")]
        start.saturating_add(share as u64)
    }

    /// Number of packets of frame `n`, from its first, that are due at `now_ns`.
    #[must_use]
    pub const fn due_packets(&self, n: u64, now_ns: u64) -> u32 {
        let start = self.frame_start(n);
        if now_ns < start {
            return 0;
        }
        let period = (self.frame_start(n + 1) - start) as u128;
        let elapsed = (now_ns - start) as u128;
        if elapsed >= period {
            return self.packets;
        }
        // Largest group with floor(period * group / packets) <= elapsed, then that whole group.
        let reached = ((elapsed + 1) * self.packets as u128 - 1) / period;
        #[expect(
            clippy::cast_possible_truncation,
            reason = "below the number of packets, a u32"
        )]
        let group = reached as u32 / GROUP * GROUP;
        let end = group.saturating_add(GROUP);
        if end < self.packets {
            end
        } else {
            self.packets
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::{Depth, Sampling};
    use proptest::prelude::*;

    #[test]
    fn schedule_a_day_of_ntsc_then_no_drift() {
        let schedule = Schedule::new(1_000, FrameRate::new(60_000, 1001).unwrap(), 1000);
        let frames = 60_000 * 86; // 86 * 1001 s
        assert_eq!(
            schedule.frame_start(frames),
            1_000 + 86 * 1001 * 1_000_000_000
        );
        assert_eq!(schedule.frame_at(schedule.frame_start(frames)), frames);
    }

    #[test]
    fn offset_of_the_first_packet_is_that_of_st_2110_21() {
        let format = |width, height, num, den| {
            let rate = FrameRate::new(num, den).unwrap();
            VideoFormat::new(width, height, Depth::Ten, rate).unwrap()
        };
        for (format, offset_ns) in [
            (format(1920, 1080, 60_000, 1001), 637_674),
            (format(1920, 1080, 50, 1), 764_444),
            (format(1280, 720, 50, 1), 746_666),
            (format(3840, 2160, 60_000, 1001), 637_674),
        ] {
            assert_eq!(Schedule::default_offset_ns(&format), offset_ns);
        }
        for (height, rate, offset_ns) in [
            (1080, (25, 1), 782_222),
            (576, (25, 1), 1_664_000),
            (486, (30_000, 1001), 1_271_111),
        ] {
            let rate = FrameRate::new(rate.0, rate.1).unwrap();
            let samples = (Sampling::YCbCr422, Depth::Ten);
            let format = VideoFormat::of((720, height), samples, Scan::Interlaced, rate).unwrap();
            assert_eq!(Schedule::default_offset_ns(&format), offset_ns);
        }
    }

    #[test]
    fn schedule_one_frame_then_groups_are_spread_over_its_time() {
        let schedule = Schedule::new(0, FrameRate::new(50, 1).unwrap(), 20);
        let due: Vec<_> = (0..20)
            .map(|index| schedule.due(3, index) - 60_000_000)
            .collect();
        let expected = [[0; 8], [8_000_000; 8]].concat();
        assert_eq!(due[..16], expected);
        assert_eq!(due[16..], [16_000_000; 4]);
    }

    proptest! {
        #[test]
        fn schedule_any_instant_then_due_packets_are_those_whose_time_has_come(
            num in 1u32..=120_000, den in 1000u32..=1001, packets in 1u32..5000,
            frame in 0u64..10_000_000, at in 0u64..40_000_000,
        ) {
            let rate = FrameRate::new(num, den).unwrap();
            let schedule = Schedule::new(77, rate, packets);
            let now = schedule.frame_start(frame) + at;
            let due = schedule.due_packets(frame, now);
            prop_assert!(due >= 1.min(packets));
            prop_assert!(schedule.due(frame, due - 1) <= now);
            if due < packets {
                prop_assert!(schedule.due(frame, due) > now);
            }
            prop_assert!(schedule.due(frame, packets - 1) < schedule.frame_start(frame + 1));
        }
    }
}
