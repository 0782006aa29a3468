//! Flushes of a sender: who wants to hear when what was submitted is sent.
//!
//! Frames are numbered as they are collected and leave the queue in that order, so a flush is over
//! when the oldest frame that is left came after it.

use std::collections::VecDeque;

/// What became of the frames that were waiting when a flush was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flushed {
    /// Names the request.
    pub ticket: u64,
    /// Frames sent since.
    pub sent: u64,
    /// Frames dropped since: their client was cut off or the session stopped.
    pub dropped: u64,
}

#[derive(Debug)]
struct Flush {
    ticket: u64,
    /// It is about frames of lower numbers.
    below: u64,
    /// Frames that waited.
    waited: u64,
    sent: u64,
}

/// The flushes that are not over, oldest first. Whoever asks bounds their number.
#[derive(Debug, Default)]
pub(super) struct Flushes(VecDeque<Flush>);

impl Flushes {
    /// Asks for `waiting` frames, all of numbers below `below`.
    pub(super) fn ask(&mut self, ticket: u64, below: u64, waiting: u64) {
        self.0.push_back(Flush {
            ticket,
            below,
            waited: waiting,
            sent: 0,
        });
    }

    /// Frame `number` is sent.
    pub(super) fn sent(&mut self, number: u64) {
        for flush in self.0.iter_mut().filter(|it| number < it.below) {
            flush.sent += 1;
        }
    }

    /// Whether one is over: `oldest` is the lowest number that is left, or else the next one.
    pub(super) fn is_over(&self, oldest: u64) -> bool {
        self.0.front().is_some_and(|flush| flush.below <= oldest)
    }

    /// Takes the first one out, if it is over.
    pub(super) fn take(&mut self, oldest: u64) -> Option<Flushed> {
        if !self.is_over(oldest) {
            return None;
        }
        let flush = self.0.pop_front()?;
        Some(Flushed {
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
        let first = Flushed {
            ticket: 1,
            sent: 2,
            dropped: 1,
        };
        assert_eq!(flushes.take(3), Some(first));
        assert_eq!(flushes.take(3), None);
        flushes.sent(3);
        flushes.sent(4);
        flushes.sent(5);
        let second = Flushed {
            ticket: 2,
            sent: 4,
            dropped: 1,
        };
        assert_eq!(flushes.take(6), Some(second));
        flushes.ask(3, 6, 0);
        assert!(flushes.is_over(6), "nothing waits");
    }
}
