//! Gap between two buffers of sessions that followed each other.

use std::time::Duration;

use onair_api::SessionId;

use crate::OwnedBuffer;
use crate::carries::Carries;

/// Why no buffers came for a while.
///
/// See the example of [`Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// The session was stopped, and started again.
    Stopped,
    /// The session was destroyed, or this process evicted from it.
    Session,
    /// The daemon shut down, or died.
    Daemon,
}

/// Where a buffer is in its session and in time.
///
/// See the example of [`Gap`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The session: a session that was made again has another id.
    pub session: SessionId,
    /// As [`Buffer::number`](crate::Buffer::number).
    pub number: u64,
    /// As [`Buffer::media_time_ns`](crate::Buffer::media_time_ns): nanoseconds since the SMPTE Epoch, in TAI.
    pub media_time_ns: Option<u64>,
}

/// A time without buffers.
///
/// ```no_run
/// use onair::{Ended, Gap};
///
/// fn note(gap: &Gap) {
///     match gap.ended {
///         Ended::Stopped => println!("paused for {:?}", gap.lasted),
///         Ended::Session | Ended::Daemon => println!("on air again as session {}", gap.first.session),
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The worst that happened.
    pub ended: Ended,
    /// From when a call found that out until the next buffer came.
    pub lasted: Duration,
    /// The last buffer before; `None`: there was none.
    pub last: Option<Mark>,
    /// The first buffer after it. A sender's has the number of its place in the memory and no time.
    pub first: Mark,
    /// Buffers that the sender sent between the two, by the session's count or else by the media times. `None`: not
    /// known, as in a send session.
    pub missing: Option<u64>,
}

impl Mark {
    pub(super) fn of<L: Carries>(buffer: &OwnedBuffer<L>) -> Self {
        Self {
            session: buffer.session().id(),
            number: buffer.number(),
            media_time_ns: buffer.media_time_ns(),
        }
    }

    /// Buffers between this one and `next`; a time in nanoseconds has so many as `buffers_in` says.
    pub(super) fn missing_until(
        &self,
        next: &Self,
        buffers_in: impl FnOnce(u64) -> u64,
    ) -> Option<u64> {
        let steps = if self.session == next.session {
            next.number.checked_sub(self.number)?
        } else {
            buffers_in(next.media_time_ns?.checked_sub(self.media_time_ns?)?)
        };
        steps.checked_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(session: u64, number: u64, media_time_ns: Option<u64>) -> Mark {
        Mark {
            session: SessionId(session),
            number,
            media_time_ns,
        }
    }

    #[test]
    fn missing_in_one_session_then_by_number() {
        let last = mark(1, 10, Some(0));
        let missing = |number| last.missing_until(&mark(1, number, None), |_| unreachable!());
        assert_eq!(
            (missing(11), missing(15), missing(10)),
            (Some(0), Some(4), None)
        );
    }

    #[test]
    fn missing_across_sessions_then_by_media_time() {
        let last = mark(1, 10, Some(1_000_000_000));
        let after = |ns: u64| mark(2, 0, Some(1_000_000_000 + ns));
        let missing = |last: Mark, next: Mark| last.missing_until(&next, |ns| ns / 20_000_000);
        assert_eq!(missing(last, after(20_000_000)), Some(0));
        assert_eq!(missing(last, after(1_000_000_000)), Some(49));
        assert_eq!(missing(last, after(0)), None);
        assert_eq!(missing(last, mark(2, 0, None)), None);
        assert_eq!(missing(mark(1, 1, None), after(1_000_000_000)), None);
    }
}
