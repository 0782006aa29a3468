//! Rate limits for log lines that a client can cause.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::access::peer::has_no_share;

/// Pause between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// Lines of one user that are written at once.
const BURST: u32 = 50;
/// The same of lines about its sessions: as many as it takes to start and end all that a daemon may have.
const SESSIONS_BURST: u32 = 3 * 1024;
/// Pause in which a user gets one more.
const REFILL: Duration = Duration::from_secs(2);
/// Users that are remembered.
const USERS: usize = 256;

/// For one line: the first one at once, then one per pause. When it may be written again, and how often it was
/// suppressed.
#[derive(Debug, Default)]
pub struct RateLimit {
    next: Option<Instant>,
    left_out: u64,
}

impl RateLimit {
    /// Whether to write the line now: returns how often it was suppressed since the last one, if at all.
    pub fn note(&mut self, now: Instant) -> Option<Option<u64>> {
        if self.next.is_some_and(|next| now < next) {
            self.left_out += 1;
            return None;
        }
        self.next = Some(now + PAUSE);
        Some(some(std::mem::take(&mut self.left_out)))
    }
}

/// For lines that many users cause: each user has some lines at once, and one more each [`REFILL`]. Clones share it.
#[derive(Clone, Debug)]
pub struct UserLines {
    burst: u32,
    users: Arc<Mutex<BTreeMap<u32, UserLine>>>,
}

/// The same for the lines that one user causes.
#[derive(Clone, Debug)]
pub struct LinesOf {
    /// Its uid.
    pub uid: u32,
    /// Shared with all users.
    pub lines: UserLines,
}

impl LinesOf {
    /// Whether to write one now: returns how many were suppressed since the last one, if any.
    #[must_use]
    pub fn note(&self) -> Option<Option<u64>> {
        self.lines.note_caused(self.uid, Instant::now())
    }
}

/// Limits of lines about sessions and their clients. One kind does not hide another.
#[derive(Debug)]
pub struct LineLimits {
    /// Clients that attach and leave.
    pub clients: UserLines,
    /// Clients that break the rules, and are evicted.
    pub faults: UserLines,
    /// Sessions that start and end.
    pub sessions: UserLines,
}

impl Default for LineLimits {
    fn default() -> Self {
        Self {
            clients: UserLines::default(),
            faults: UserLines::default(),
            sessions: UserLines::of(SESSIONS_BURST),
        }
    }
}

#[derive(Debug)]
struct UserLine {
    /// When the user has all its lines again.
    full_at: Instant,
    left_out: u64,
}

impl Default for UserLines {
    fn default() -> Self {
        Self::of(BURST)
    }
}

impl UserLines {
    fn of(burst: u32) -> Self {
        let users = Arc::default();
        Self { burst, users }
    }

    /// As [`Self::note`], but none limits root and the daemon.
    pub fn note_caused(&self, uid: u32, now: Instant) -> Option<Option<u64>> {
        if has_no_share(uid) {
            Some(None)
        } else {
            self.note(uid, now)
        }
    }

    /// Whether to write a line that `uid` caused now: returns how many were suppressed since the last one, if any.
    pub fn note(&self, uid: u32, now: Instant) -> Option<Option<u64>> {
        // No code panics while it holds the lock.
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if users.len() >= USERS {
            users.retain(|_, it| it.full_at > now);
        }
        let new = UserLine {
            full_at: now,
            left_out: 0,
        };
        let line = users.entry(uid).or_insert(new);
        let full_at = line.full_at.max(now) + REFILL;
        if full_at > now + REFILL * self.burst {
            line.left_out += 1;
            return None;
        }
        line.full_at = full_at;
        Some(some(std::mem::take(&mut line.left_out)))
    }
}

/// A field of a line: none is left away.
fn some(count: u64) -> Option<u64> {
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_causes_many_lines_then_few_and_others_are_written() {
        let (lines, start) = (UserLines::default(), Instant::now());
        let written = |uid, at| (0..1000).filter_map(|_| lines.note(uid, at)).count();
        assert_eq!(written(7, start), BURST as usize);
        assert_eq!(lines.note(8, start), Some(None));
        let later = start + REFILL;
        assert_eq!(lines.note(7, later), Some(Some(950)));
        assert_eq!(lines.note(7, later), None);
        assert_eq!(written(7, start + REFILL * 1000), BURST as usize);
        for uid in 0..10_000 {
            let _ = lines.note(uid, start + REFILL * 2000);
        }
        assert_eq!(written(7, start + REFILL * 9000), BURST as usize);
        assert!(lines.users.lock().unwrap().len() <= USERS);
    }

    #[test]
    fn user_starts_and_ends_sessions_then_few_lines_and_all_faults() {
        let (limits, now) = (LineLimits::default(), Instant::now());
        let written = |lines: &UserLines| (0..5000).filter_map(|_| lines.note(7, now)).count();
        assert_eq!(written(&limits.sessions), SESSIONS_BURST as usize);
        assert_eq!(limits.faults.note(7, now), Some(None));
        assert_eq!(limits.sessions.note(8, now), Some(None));
        assert_eq!(limits.sessions.note(7, now + REFILL), Some(Some(1928)));
    }

    #[test]
    fn line_caused_often_then_written_at_once_and_then_counted() {
        let mut line = RateLimit::default();
        let start = Instant::now();
        assert_eq!(line.note(start), Some(None));
        assert_eq!(line.note(start), None);
        assert_eq!(line.note(start + PAUSE / 2), None);
        assert_eq!(line.note(start + PAUSE), Some(Some(2)));
        assert_eq!(line.note(start + PAUSE), None);
    }
}
