//! The time that senders follow: TAI, as the kernel has it (`CLOCK_TAI`, clock_gettime(2)). The SMPTE
//! Epoch, from which ST 2059-1 counts frames, is the epoch of TAI.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// A change of so much is told: the clock was set. Smaller ones are followed without a word.
const STEP_NS: u64 = 1_000_000;
/// Of so many measurements the one that took least time counts.
const MEASUREMENTS: usize = 5;

/// How far TAI is ahead of the monotonic clock. The control thread follows the kernel; a sender reads
/// it at the start of each frame.
#[derive(Debug)]
pub struct MediaClock {
    ahead_ns: AtomicU64,
    steps: AtomicU64,
    /// The kernel was told how far TAI is ahead of UTC.
    is_tai: AtomicBool,
    /// Of a test's clock: the monotonic time, which the test sets. The kernel's is followed else.
    set_ns: Option<AtomicU64>,
}

/// One reading of the kernel's clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Reading {
    /// How long it took: the error is at most half of it.
    took_ns: u64,
    ahead_ns: u64,
}

impl MediaClock {
    /// The kernel's clock as it is now.
    #[must_use]
    pub fn of_kernel() -> Self {
        let clock = Self {
            set_ns: None,
            ..Self::ahead_by(measure().ahead_ns)
        };
        clock.note_tai(tai_minus_utc() > 0);
        clock
    }

    /// A clock for tests, `ahead_ns` nanoseconds ahead of the monotonic one, which stands until [`Self::set_now`].
    #[must_use]
    pub const fn ahead_by(ahead_ns: u64) -> Self {
        Self {
            ahead_ns: AtomicU64::new(ahead_ns),
            steps: AtomicU64::new(0),
            is_tai: AtomicBool::new(true),
            set_ns: Some(AtomicU64::new(0)),
        }
    }

    /// Nanoseconds to add to the monotonic time.
    #[must_use]
    pub fn ahead_ns(&self) -> u64 {
        self.ahead_ns.load(Ordering::Relaxed)
    }

    /// The monotonic time, by which the control thread serves the groups.
    #[must_use]
    pub fn monotonic_ns(&self) -> u64 {
        match &self.set_ns {
            Some(set_ns) => set_ns.load(Ordering::Relaxed),
            None => read(ClockId::CLOCK_MONOTONIC),
        }
    }

    /// Sets the monotonic time of a test's clock.
    pub fn set_now(&self, monotonic_ns: u64) {
        if let Some(set_ns) = &self.set_ns {
            set_ns.store(monotonic_ns, Ordering::Relaxed);
        }
    }

    /// Whether it is TAI: otherwise the kernel's `CLOCK_TAI` is UTC.
    #[must_use]
    pub fn is_tai(&self) -> bool {
        self.is_tai.load(Ordering::Relaxed)
    }

    fn note_tai(&self, is_tai: bool) {
        self.is_tai.store(is_tai, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(crate) fn set(&self, ahead_ns: u64) {
        self.ahead_ns.store(ahead_ns, Ordering::Relaxed);
    }

    /// How often it was set by a millisecond or more.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.steps.load(Ordering::Relaxed)
    }

    /// Follows the kernel's clock. Returns by how many nanoseconds it was set, if that is a millisecond
    /// or more.
    pub fn follow(&self) -> Option<i64> {
        if self.set_ns.is_some() {
            return None;
        }
        self.note_tai(tai_minus_utc() > 0);
        self.take(measure())
    }

    fn take(&self, Reading { took_ns, ahead_ns }: Reading) -> Option<i64> {
        let before = self.ahead_ns();
        let change_ns = ahead_ns.abs_diff(before);
        if change_ns > took_ns {
            self.ahead_ns.store(ahead_ns, Ordering::Relaxed);
        }
        if change_ns < STEP_NS.max(took_ns) {
            return None;
        }
        self.steps.fetch_add(1, Ordering::Relaxed);
        Some(ahead_ns.wrapping_sub(before).cast_signed())
    }
}

/// TAI minus UTC in whole seconds, as the kernel was told (adjtimex(2)): 0 if it was not told. The two
/// clocks are read one after the other, hence the half second.
#[must_use]
pub fn tai_minus_utc() -> u64 {
    let tai_ns = read(ClockId::CLOCK_TAI) + 500_000_000;
    tai_ns.saturating_sub(read(ClockId::CLOCK_REALTIME)) / 1_000_000_000
}

fn measure() -> Reading {
    let readings = (0..MEASUREMENTS).map(|_| {
        let before = read(ClockId::CLOCK_MONOTONIC);
        let tai = read(ClockId::CLOCK_TAI);
        let took_ns = read(ClockId::CLOCK_MONOTONIC) - before;
        Reading {
            took_ns,
            ahead_ns: tai.saturating_sub(before + took_ns / 2),
        }
    });
    readings.min().expect("there are some")
}

fn read(clock: ClockId) -> u64 {
    let now = clock_gettime(clock).map(Duration::from);
    let now = now.expect("every kernel since 3.10 has these clocks");
    u64::try_from(now.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_of_the_kernel_is_followed_and_a_step_of_it_is_told() {
        let clock = MediaClock::of_kernel();
        let by_kernel = read(ClockId::CLOCK_MONOTONIC) + clock.ahead_ns();
        assert!(by_kernel.abs_diff(read(ClockId::CLOCK_TAI)) < 1_000_000_000);
        let before = clock.ahead_ns();
        let take = |took_ns, ahead_ns| clock.take(Reading { took_ns, ahead_ns });

        assert_eq!(take(100, before + 100), None);
        assert_eq!(clock.ahead_ns(), before, "within the error of the reading");
        assert_eq!(take(100, before + 2_000), None);
        assert_eq!(clock.ahead_ns(), before + 2_000);
        assert_eq!(take(50_000_000, before + 40_000_000), None);
        assert_eq!(clock.ahead_ns(), before + 2_000, "a bad reading");
        assert_eq!(clock.steps(), 0);
        assert_eq!(take(100, before - 39_998_000), Some(-40_000_000));
        assert_eq!((clock.ahead_ns(), clock.steps()), (before - 39_998_000, 1));
    }
}
