//! When to report the time left: every minute, every ten seconds in the last minute, every second
//! in the last five.

use std::time::{Duration, Instant};

/// Seconds of the last minute.
const LAST: [u64; 10] = [50, 40, 30, 20, 10, 5, 4, 3, 2, 1];

/// A countdown to one deadline.
#[derive(Debug)]
pub(super) struct Countdown {
    zero: Instant,
    /// Time left at the next report; `None` after the last report.
    mark: Option<Duration>,
}

impl Countdown {
    /// Ends at `span` after `now`.
    pub(super) fn new(now: Instant, span: Duration) -> Self {
        Self {
            zero: now + span,
            mark: mark_below(span),
        }
    }

    /// Time of the next report.
    pub(super) fn next(&self) -> Option<Instant> {
        self.mark.map(|mark| self.zero - mark)
    }

    /// Time left, if a report is due now. Skips missed reports.
    pub(super) fn due(&mut self, now: Instant) -> Option<Duration> {
        let remaining = self.zero.saturating_duration_since(now);
        let mark = self.mark.filter(|mark| remaining <= *mark)?;
        // The nearest mark that was reached.
        let reached = mark_from(remaining).unwrap_or(mark);
        self.mark = mark_below(reached);
        Some(reached)
    }
}

fn marks(span: Duration) -> impl Iterator<Item = Duration> {
    let minutes = (1..=span.as_secs() / 60).rev().map(|minute| minute * 60);
    minutes.chain(LAST).map(Duration::from_secs)
}

/// Largest mark below `span`.
fn mark_below(span: Duration) -> Option<Duration> {
    marks(span).find(|mark| *mark < span)
}

/// Smallest mark from `left` on.
fn mark_from(remaining: Duration) -> Option<Duration> {
    let longer = remaining + Duration::from_secs(60);
    marks(longer).filter(|mark| *mark >= remaining).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(span: Duration) -> Vec<u64> {
        let now = Instant::now();
        let mut countdown = Countdown::new(now, span);
        let mut said = Vec::new();
        while let Some(next) = countdown.next() {
            assert_eq!(countdown.due(next - Duration::from_millis(1)), None);
            said.push(countdown.due(next).unwrap().as_secs());
        }
        said
    }

    #[test]
    fn countdown_of_any_length_then_each_mark_once_and_in_order() {
        assert_eq!(said(Duration::from_secs(10)), [5, 4, 3, 2, 1]);
        assert_eq!(said(Duration::from_millis(3500)), [3, 2, 1]);
        let long = [120, 60, 50, 40, 30, 20, 10, 5, 4, 3, 2, 1];
        assert_eq!(said(Duration::from_secs(150)), long);
        assert!(said(Duration::from_millis(500)).is_empty());
        assert!(said(Duration::ZERO).is_empty());
    }

    #[test]
    fn countdown_looked_at_late_then_only_the_nearest_mark() {
        let now = Instant::now();
        let mut countdown = Countdown::new(now, Duration::from_secs(10));
        let late = now + Duration::from_millis(7200);
        assert_eq!(countdown.due(late), Some(Duration::from_secs(3)));
        assert_eq!(countdown.due(late), None);
        assert_eq!(countdown.next(), Some(now + Duration::from_secs(8)));
    }
}
