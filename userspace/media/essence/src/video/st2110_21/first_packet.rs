//! The first packets of frames and fields: when they come, and what their RTP timestamps say.

use super::schedule::Schedule;
use super::summary::Summary;
use crate::media_time;
use crate::video::RTP_CLOCK_HZ;

/// RTP ticks of video in a second.
pub const TICKS_PER_SECOND: u32 = RTP_CLOCK_HZ;

/// Figures of the first packets of all frames or fields. Only meaningful if sender and measured times follow the same
/// clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstPackets {
    /// First packet time, FPT: nanoseconds after the start of the frame or field.
    pub after_start_ns: Summary,
    /// Nanoseconds after the time of the RTP timestamp; of a second segment, after half a frame more.
    pub after_timestamp_ns: Summary,
    /// Ticks by which the RTP timestamp is ahead of the start of the frame (of its first segment) or field, whose tick is rounded
    /// to the nearest as EBU LIST does. A sender that rounds it down as ST 2110-10 says is at -1 for
    /// half ticks.
    pub rtp_offset_ticks: Summary,
    /// Margin: nanoseconds from the packet to its read time.
    pub margin_ns: Summary,
}

impl FirstPackets {
    /// Adds the first packet of a unit, which came at `tai_ns`, and `margin_ns` before its read time. Returns how long
    /// after the time of its timestamp, in nanoseconds.
    pub(super) fn add(
        &mut self,
        schedule: &Schedule,
        tai_ns: u64,
        rtp_timestamp: u32,
        margin_ns: i64,
    ) -> i64 {
        let unit = schedule.unit_of_first(tai_ns);
        self.margin_ns.add(margin_ns);
        self.after_start_ns
            .add(less(tai_ns, schedule.start_ns(unit)));
        let sent_ns = media_time::nearest_ns(rtp_timestamp, TICKS_PER_SECOND, tai_ns);
        let stamped = schedule.stamped(unit);
        let later_ns = schedule.start_ns(unit) - schedule.start_ns(stamped);
        let after_ns = less(tai_ns, sent_ns.saturating_add(later_ns));
        self.after_timestamp_ns.add(after_ns);
        #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
        let start = schedule.nearest_tick(stamped, TICKS_PER_SECOND) as u32;
        let offset = rtp_timestamp.wrapping_sub(start).cast_signed();
        self.rtp_offset_ticks.add(offset.into());
        after_ns
    }
}

fn less(a: u64, b: u64) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    let limit = i128::from(i64::MAX);
    i64::try_from(difference.clamp(-limit, limit)).expect("clamped")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::Scan;
    use crate::video::st2110_21::{Reads, Stream};

    /// Figures of the first packets of ten frames at 24000/1001, 1 µs after the default first read.
    fn first_packets(scan: Scan) -> FirstPackets {
        let schedule = Schedule::new(&Stream {
            height: 1080,
            scan,
            rate: (24_000, 1001),
            packets: 2000,
            reads: Reads::Gapped,
            offset_ns: None,
            max_udp: None,
        })
        .unwrap();
        let mut first = FirstPackets::default();
        for unit in 2_000_000..2_000_020u64 {
            // Both segments of a frame have the time of the first.
            #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
            let timestamp = schedule.nearest_tick(unit - unit % 2, TICKS_PER_SECOND) as u32;
            first.add(&schedule, schedule.read_ns(unit, 0) + 1000, timestamp, 0);
        }
        first
    }

    #[test]
    fn segments_have_one_timestamp_and_fields_do_not() {
        let segments = first_packets(Scan::Psf);
        let offset = segments.rtp_offset_ticks;
        assert_eq!((offset.min(), offset.max()), (Some(0), Some(0)));
        let after = segments.after_timestamp_ns;
        let spread = after.max().unwrap() - after.min().unwrap();
        assert!(spread < 12_000, "a tick is 11,111 ns: {spread}");
        // Of fields it is the sender's fault.
        let offset = first_packets(Scan::Interlaced).rtp_offset_ticks;
        assert_eq!((offset.min(), offset.max()), (Some(-1877), Some(0)));
    }
}
