//! Time limits of calls.

use std::time::Duration;

use onair_ipc::caller::Deadline;
use onair_ipc::sys;

/// Time limit of a call. The call converts it to an absolute CLOCK_MONOTONIC time at its start, so
/// that signals do not extend it.
///
/// ```
/// use std::time::Duration;
///
/// use onair::Timeout;
///
/// assert_eq!(Timeout::millis(20), Duration::from_millis(20).into());
/// assert_eq!(Timeout::millis(0), Timeout::NOW);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    After(Duration),
    Never,
}

impl Timeout {
    /// Does not wait: the call never blocks.
    pub const NOW: Self = Self(Kind::After(Duration::ZERO));
    /// Waits without a limit.
    pub const NEVER: Self = Self(Kind::Never);

    /// Waits for at most `ms` milliseconds; 0 is [`Timeout::NOW`], `u32::MAX` is
    /// [`Timeout::NEVER`].
    #[must_use]
    pub const fn millis(ms: u32) -> Self {
        match ms {
            u32::MAX => Self::NEVER,
            ms => Self(Kind::After(Duration::from_millis(ms as u64))),
        }
    }

    #[inline]
    pub(crate) fn deadline(self) -> Deadline {
        match self.0 {
            Kind::Never => Deadline::Never,
            Kind::After(Duration::ZERO) => Deadline::Now,
            Kind::After(wait) => after(wait),
        }
    }
}

/// A wait beyond the clock's range never ends.
fn after(wait: Duration) -> Deadline {
    u64::try_from(wait.as_nanos())
        .ok()
        .and_then(|wait| sys::monotonic_ns().checked_add(wait))
        .map_or(Deadline::Never, Deadline::At)
}

impl From<Duration> for Timeout {
    /// Waits for at most `wait`; zero is [`Timeout::NOW`].
    fn from(wait: Duration) -> Self {
        Self(Kind::After(wait))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_edges_then_now_and_never() {
        assert_eq!(Timeout::millis(0), Timeout::NOW);
        assert_eq!(Timeout::millis(u32::MAX), Timeout::NEVER);
        assert_eq!(Timeout::NOW.deadline(), Deadline::Now);
        assert_eq!(Timeout::NEVER.deadline(), Deadline::Never);
        assert_eq!(Timeout::from(Duration::MAX).deadline(), Deadline::Never);
        assert_eq!(Timeout::from(Duration::ZERO), Timeout::NOW);
    }

    #[test]
    fn timeout_some_then_absolute() {
        let before = sys::monotonic_ns();
        let Deadline::At(at) = Timeout::millis(5).deadline() else {
            panic!("a finite wait");
        };
        assert!(at >= before + 5_000_000);
    }
}
