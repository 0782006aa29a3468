//! The first packets of frames and fields: when they come, and what their RTP timestamps say.

use super::schedule::Schedule;
use super::summary::Summary;
use crate::media_time;
use crate::video::RTP_CLOCK_HZ;

/// RTP ticks of video in a second.
pub const TICKS_PER_SECOND: u32 = RTP_CLOCK_HZ;

/// What the first packets of all frames or fields show. Only meaningful if sender and measured times
/// follow the same clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FirstPackets {
    /// First packet time, FPT: nanoseconds after the start of the frame or field.
    pub after_start_ns: Summary,
    /// Nanoseconds after the time of the RTP timestamp.
    pub after_timestamp_ns: Summary,
    /// Ticks by which the RTP timestamp is ahead of the start of the frame or field, whose tick is rounded
    /// to the nearest as EBU LIST does. A sender that rounds it down as ST 2110-10 says is at -1 for
    /// half ticks.
    pub rtp_offset_ticks: Summary,
    /// Margin: nanoseconds from the packet to its read time.
    pub margin_ns: Summary,
}

impl FirstPackets {
    /// Adds the first packet of a unit, which came at `tai_ns`, and `margin_ns` before its read time.
    pub(super) fn add(
        &mut self,
        schedule: &Schedule,
        tai_ns: u64,
        rtp_timestamp: u32,
        margin_ns: i64,
    ) {
        let unit = schedule.unit_of_first(tai_ns);
        self.margin_ns.add(margin_ns);
        self.after_start_ns
            .add(less(tai_ns, schedule.start_ns(unit)));
        let sent_ns = media_time::nearest_ns(rtp_timestamp, TICKS_PER_SECOND, tai_ns);
        self.after_timestamp_ns.add(less(tai_ns, sent_ns));
        #[expect(clippy::cast_possible_truncation, reason = "timestamps wrap")]
        let start = schedule.nearest_tick(unit, TICKS_PER_SECOND) as u32;
        let offset = rtp_timestamp.wrapping_sub(start).cast_signed();
        self.rtp_offset_ticks.add(offset.into());
    }
}

fn less(a: u64, b: u64) -> i64 {
    let difference = i128::from(a) - i128::from(b);
    let limit = i128::from(i64::MAX);
    i64::try_from(difference.clamp(-limit, limit)).expect("clamped")
}
