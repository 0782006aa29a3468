//! When a session's units come, by the times of their RTP timestamps.

use onair_api::SessionState;
use onair_dataplane::{FrameClock, MediaClock};

use crate::session::Session;

/// Of a sender that is this far from the host's clock, the time is not known.
const SAME_CLOCK_NS: i64 = 10_000_000_000;

impl Session {
    /// How long after the times of their timestamps its units began to come, or to be sent, in nanoseconds: the least of
    /// the last second, because a host may be late. `None` unless it runs and the timestamps follow TAI.
    pub fn delay_ns(&self, clock: &MediaClock) -> Option<i64> {
        if self.state() != SessionState::Running {
            return None;
        }
        let (now_ns, ahead_ns) = (self.clock.monotonic_ns(), clock.ahead_ns());
        let rtp = self.spec.rtp_clock();
        let newest = FrameClock::of(self.stats.snapshot().frame_clock);
        let newest = Some(newest).filter(|it| *it != FrameClock::of(0));
        let clocks = self.traffic.recent.frame_clocks().chain(newest);
        let delays = clocks.map(|it| {
            let tai_ns = it.ns(now_ns).saturating_add(ahead_ns);
            let stamped_ns = rtp.nearest_ns(it.timestamp, tai_ns);
            tai_ns.wrapping_sub(stamped_ns).cast_signed()
        });
        delays.min().filter(|it| it.abs() <= SAME_CLOCK_NS)
    }
}
