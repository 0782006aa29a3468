//! Flushes of a sender: report when the frames submitted so far are sent.
//!
//! Frames are numbered in the order of collection and leave the queue in that order. A flush is
//! over when the oldest unsent frame was collected after it.

use std::collections::VecDeque;

use onair_session::FlushReport;

#[derive(Debug)]
struct Flush {
    ticket: u64,
    /// Covers frames with lower numbers.
    below: u64,
    /// Frames that were pending.
    waited: u64,
    sent: u64,
}

/// Pending flushes, oldest first. The requester bounds their number.
#[derive(Debug, Default)]
pub(super) struct Flushes(VecDeque<Flush>);

impl Flushes {
    /// Starts a flush of `waiting` frames, all numbered below `below`.
    pub(super) fn ask(&mut self, ticket: u64, below: u64, waiting: u64) {
        self.0.push_back(Flush {
            ticket,
            below,
            waited: waiting,
            sent: 0,
        });
    }

    /// Records that frame `number` is sent.
    pub(super) fn sent(&mut self, number: u64) {
        for flush in self.0.iter_mut().filter(|it| number < it.below) {
            flush.sent += 1;
        }
    }

    /// Whether the first flush is over. `oldest` is the lowest unsent number, or the next number to
    /// be given.
    pub(super) fn is_over(&self, oldest: u64) -> bool {
        self.0.front().is_some_and(|flush| flush.below <= oldest)
    }

    /// Removes the first flush if it is over.
    pub(super) fn take(&mut self, oldest: u64) -> Option<FlushReport> {
        if !self.is_over(oldest) {
            return None;
        }
        let flush = self.0.pop_front()?;
        Some(FlushReport {
            ticket: flush.ticket,
            sent: flush.sent,
            dropped: flush.waited - flush.sent,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flushes_frames_sent_and_dropped_then_each_hears_of_its_own() {
        let mut flushes = Flushes::default();
        flushes.ask(1, 3, 3);
        flushes.ask(2, 5, 5);
        assert_eq!(flushes.take(0), None);
        flushes.sent(0);
        flushes.sent(1);
        assert!(!flushes.is_over(2));
        // Frame 2 is dropped.
        let first = FlushReport {
            ticket: 1,
            sent: 2,
            dropped: 1,
        };
        assert_eq!(flushes.take(3), Some(first));
        assert_eq!(flushes.take(3), None);
        flushes.sent(3);
        flushes.sent(4);
        flushes.sent(5);
        let second = FlushReport {
            ticket: 2,
            sent: 4,
            dropped: 1,
        };
        assert_eq!(flushes.take(6), Some(second));
        flushes.ask(3, 6, 0);
        assert!(flushes.is_over(6), "nothing waits");
    }
}
