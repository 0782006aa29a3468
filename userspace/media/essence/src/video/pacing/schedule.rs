//! When each packet is due: spread over each frame's time.
//!
//! Packets are due in groups, because each driver burst costs a system call on AF_XDP. Every time is
//! computed from the epoch with integers, so that rounding errors do not add up.

use crate::video::{FrameRate, Scan, SenderType};

use super::spread::Spread;
use crate::video::st2110_20::Packetiser;

/// The schedule of one send session. Its slots are frames, or fields if the video is interlaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    epoch_ns: u64,
    rate: FrameRate,
    /// Packets of a slot; of a gapped PsF frame: of each segment.
    parts: [u32; 2],
    group: u32,
    active: (u64, u64),
}

impl Schedule {
    /// The schedule of slots of `packets` packets at `rate`, linear in groups of `group`; slot 0 starts
    /// at `epoch_ns`.
    #[must_use]
    pub const fn linear(epoch_ns: u64, rate: FrameRate, packets: u32, group: u32) -> Self {
        Self {
            epoch_ns,
            rate,
            parts: [packets, 0],
            group,
            active: (1, 1),
        }
    }

    /// The schedule of a sender of the frames, or first fields, of `packetiser` since the epoch.
    pub(super) fn of(packetiser: &Packetiser, sender: SenderType, spread: &Spread) -> Self {
        let format = packetiser.format();
        let is_gapped_psf = format.scan() == Scan::Psf && sender == SenderType::Narrow;
        Self {
            epoch_ns: spread.first_ns,
            rate: format.buffer_rate(),
            parts: if is_gapped_psf {
                packetiser.segments()
            } else {
                [packetiser.packets(), 0]
            },
            group: spread.group,
            active: spread.active,
        }
    }

    /// Packets of a slot.
    #[must_use]
    pub const fn packets(&self) -> u32 {
        self.parts[0] + self.parts[1]
    }

    /// Packets that are due together.
    #[must_use]
    pub const fn group(&self) -> u32 {
        self.group
    }

    /// When the first packet of slot `n` is due, in nanoseconds of the clock of the epoch.
    #[must_use]
    pub const fn frame_start(&self, n: u64) -> u64 {
        self.epoch_ns.saturating_add(self.rate.nanos(n))
    }

    /// The slot whose time contains `now_ns`; 0 before the epoch.
    #[must_use]
    pub const fn frame_at(&self, now_ns: u64) -> u64 {
        self.rate.frame_at(now_ns.saturating_sub(self.epoch_ns))
    }

    /// When packet `index` of slot `n` is due. Each aligned group is due together.
    #[must_use]
    pub const fn due(&self, n: u64, index: u32) -> u64 {
        let start = self.frame_start(n);
        let period = self.frame_start(n + 1) - start;
        if self.parts[1] == 0 {
            return start.saturating_add(self.share(period, self.parts[0], index));
        }
        let half = period / 2;
        if index < self.parts[0] {
            return start.saturating_add(self.share(half, self.parts[0], index));
        }
        let within = self.share(half, self.parts[1], index - self.parts[0]);
        start.saturating_add(half + within)
    }

    /// The time within a `period` with `packets` at which the group of `index` is due.
    const fn share(&self, period: u64, packets: u32, index: u32) -> u64 {
        if packets == 0 {
            return 0;
        }
        let group = index / self.group * self.group;
        let (active, of) = self.active;
        // The period is below 2^32 s even at the slowest rate, active and total lines below 2^11; group
        // and packets are below 2^32.
        let share =
            period as u128 * active as u128 * group as u128 / (of as u128 * packets as u128);
        #[expect(clippy::cast_possible_truncation, reason = "a share of a u64")]
        let share = share as u64;
        share
    }

    /// Number of packets of slot `n`, from its first, that are due at `now_ns`.
    #[must_use]
    pub const fn due_packets(&self, n: u64, now_ns: u64) -> u32 {
        let start = self.frame_start(n);
        if now_ns < start {
            return 0;
        }
        let period = self.frame_start(n + 1) - start;
        let elapsed = now_ns - start;
        if self.parts[1] == 0 {
            return self.reached(period, self.parts[0], elapsed);
        }
        let half = period / 2;
        if elapsed < half {
            return self.reached(half, self.parts[0], elapsed);
        }
        self.parts[0] + self.reached(half, self.parts[1], elapsed - half)
    }

    /// Packets of `packets` in a `period` that are due after `elapsed` nanoseconds of it.
    const fn reached(&self, period: u64, packets: u32, elapsed: u64) -> u32 {
        if elapsed >= period {
            return packets;
        }
        // Largest group with floor(period * active * group / (of * packets)) <= elapsed, then that whole
        // group.
        let (active, of) = self.active;
        let reached = ((elapsed as u128 + 1) * of as u128 * packets as u128 - 1)
            / (period as u128 * active as u128);
        if reached >= packets as u128 {
            return packets;
        }
        #[expect(clippy::cast_possible_truncation, reason = "below the packets, a u32")]
        let group = reached as u32 / self.group * self.group;
        let end = group.saturating_add(self.group);
        if end < packets { end } else { packets }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn schedule_a_day_of_ntsc_then_no_drift() {
        let schedule = Schedule::linear(1_000, FrameRate::new(60_000, 1001).unwrap(), 1000, 8);
        let frames = 60_000 * 86; // 86 * 1001 s
        assert_eq!(
            schedule.frame_start(frames),
            1_000 + 86 * 1001 * 1_000_000_000
        );
        assert_eq!(schedule.frame_at(schedule.frame_start(frames)), frames);
    }

    #[test]
    fn schedule_one_frame_then_groups_are_spread_over_its_time() {
        let schedule = Schedule::linear(0, FrameRate::new(50, 1).unwrap(), 20, 8);
        let due: Vec<_> = (0..20)
            .map(|index| schedule.due(3, index) - 60_000_000)
            .collect();
        let expected = [[0; 8], [8_000_000; 8]].concat();
        assert_eq!(due[..16], expected);
        assert_eq!(due[16..], [16_000_000; 4]);
    }

    proptest! {
        #[test]
        fn schedule_any_instant_then_packets_whose_time_came_are_due(
            num in 1001u32..=120_000, den in 1000u32..=1001, packets in 1u32..5000,
            frame in 0u64..10_000_000, at in 0u64..40_000_000,
            group in 1u32..=8, second in 0u32..2500, active in prop::sample::select(vec![
                (1, 1), (1080, 1125), (487, 525), (576, 625),
            ]),
        ) {
            let rate = FrameRate::new(num, den).unwrap();
            let schedule = Schedule {
                parts: [packets, second],
                active,
                ..Schedule::linear(77, rate, packets, group)
            };
            let packets = schedule.packets();
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
