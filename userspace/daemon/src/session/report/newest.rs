//! The newest unit of a session, by the time of its RTP timestamp.

use onair_api::SessionState;
use onair_dataplane::{FrameClock, MediaClock};
use onair_ipc::sys;

use crate::session::Session;

/// Of a sender that is this far from the host's clock, the time is not known.
const SAME_CLOCK_NS: u64 = 10_000_000_000;

impl Session {
    /// The TAI time of the newest unit that it received or sent, in nanoseconds. `None` unless it runs and the
    /// timestamps follow TAI.
    pub fn newest_tai_ns(&self, clock: &MediaClock) -> Option<u64> {
        let counter = self.stats.snapshot().frame_clock;
        if self.state() != SessionState::Running || counter == 0 {
            return None;
        }
        let now_ns = sys::monotonic_ns().saturating_add(clock.ahead_ns());
        let timestamp = FrameClock::of(counter).timestamp;
        let tai_ns = self.spec.rtp_clock().nearest_ns(timestamp, now_ns);
        (tai_ns.abs_diff(now_ns) <= SAME_CLOCK_NS).then_some(tai_ns)
    }
}
