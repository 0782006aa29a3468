//! A line of the log that a client can cause as often as it likes: written at once, and then seldom.

use std::time::{Duration, Instant};

/// Pause from one line to the next.
const PAUSE: Duration = Duration::from_secs(10);

/// When the line may be written again, and how often it was left out.
#[derive(Debug, Default)]
pub(super) struct Seldom {
    next: Option<Instant>,
    left_out: u64,
}

impl Seldom {
    /// Whether to write it now: how often it was left out since the last time.
    pub(super) fn note(&mut self, now: Instant) -> Option<u64> {
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
    fn line_caused_often_then_written_at_once_and_again_after_the_pause_with_a_count() {
        let mut line = Seldom::default();
        let start = Instant::now();
        assert_eq!(line.note(start), Some(0));
        assert_eq!(line.note(start), None);
        assert_eq!(line.note(start + PAUSE / 2), None);
        assert_eq!(line.note(start + PAUSE), Some(2));
        assert_eq!(line.note(start + PAUSE), None);
    }
}
