//! Whether this machine's TAI is TAI.

use rustix::time::{ClockId, DynamicClockId, clock_gettime, clock_gettime_dynamic};

/// TAI minus UTC in seconds, as the kernel was told; 0: it was not, and `CLOCK_TAI` shows UTC.
#[must_use]
pub(crate) fn tai_minus_utc() -> i64 {
    let utc = clock_gettime(ClockId::Realtime);
    // Every kernel since 3.10 has it.
    let tai = clock_gettime_dynamic(DynamicClockId::Tai).unwrap_or(utc);
    // The two are read one after the other: half a second more is no difference.
    let ns = (tai.tv_sec - utc.tv_sec) * 1_000_000_000 + (tai.tv_nsec - utc.tv_nsec);
    (ns + 500_000_000).div_euclid(1_000_000_000)
}
