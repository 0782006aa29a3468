//! Rate limit for a log line that a client can cause: the first one at once, then one per pause.

use std::time::{Duration, Instant};

/// Pause between two lines.
const PAUSE: Duration = Duration::from_secs(10);

/// When the line may be written again, and how often it was suppressed.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    next: Option<Instant>,
    left_out: u64,
}

impl RateLimit {
    /// Whether to write the line now: returns how often it was suppressed since the last one.
    pub(crate) fn note(&mut self, now: Instant) -> Option<u64> {
        if self.next.is_some_and(|next| now < next) {
            self.left_out += 1;
            return None;
        }
        self.next = Some(now + PAUSE);
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_caused_often_then_written_at_once_and_then_counted() {
        let mut line = RateLimit::default();
        let start = Instant::now();
        assert_eq!(line.note(start), Some(0));
        assert_eq!(line.note(start), None);
        assert_eq!(line.note(start + PAUSE / 2), None);
        assert_eq!(line.note(start + PAUSE), Some(2));
        assert_eq!(line.note(start + PAUSE), None);
    }
}
