//! Frames that were closed. Tells a packet that came too late from one of a source that restarted:
//! the late one agrees in timestamp and sequence number with what was seen of its neighbours.

use std::collections::VecDeque;

use crate::rtp::{RtpHeader, timestamp_after};

use crate::pace::is_near;
use crate::sequence::{WINDOW, first_from};

/// Remembered frames: 2 s of the highest frame rate.
const CAPACITY: usize = 256;

/// How far before the first seen packet a late one may lie, in sequence numbers.
const BEFORE_THE_FIRST: u64 = 1 << 15;

/// How far before the first frame the timestamp of a late packet may lie: 1 s of 90 kHz.
const TICKS_BEFORE_THE_FIRST: u32 = 90_000;

/// A closed frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClosedFrame {
    pub(super) timestamp: u32,
    /// Field bit of its first packet.
    pub(super) field: bool,
    /// Lowest and highest unwrapped sequence number of its packets.
    pub(super) lowest: u64,
    pub(super) highest: u64,
    pub(super) closed_ns: u64,
    /// Every byte of it came: a packet behind its last one is none of it.
    pub(super) is_whole: bool,
}

/// A packet that came too late.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Passed {
    /// Its unwrapped sequence number.
    pub(super) number: u64,
    /// When its frame was closed, or the one before it.
    pub(super) closed_ns: u64,
}

/// The last closed frames of one source, in the order of their timestamps.
#[derive(Debug, Clone)]
pub(super) struct History(VecDeque<ClosedFrame>);

impl History {
    pub(super) fn new() -> Self {
        Self(VecDeque::with_capacity(CAPACITY))
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// The frame that was closed last.
    #[inline]
    pub(super) fn last(&self) -> Option<&ClosedFrame> {
        self.0.back()
    }

    /// Field bit of a closed frame.
    pub(super) fn field(&self, timestamp: u32) -> Option<bool> {
        let next = self
            .0
            .partition_point(|it| !timestamp_after(it.timestamp, timestamp));
        let own = next.checked_sub(1).map(|it| &self.0[it]);
        own.filter(|it| it.timestamp == timestamp)
            .map(|it| it.field)
    }

    /// Sequence numbers that `ticks` of the timestamp take, and those of one frame; `None` if too
    /// little was seen.
    pub(super) fn numbers_in(&self, ticks: u32) -> Option<(u64, u64)> {
        let (first, last) = (self.0.front()?, self.0.back()?);
        let span = u64::from(last.timestamp.wrapping_sub(first.timestamp));
        let numbers = last.highest.saturating_sub(first.highest);
        let frames = self.0.len() as u64 - 1;
        let of_ticks = (u64::from(ticks) * numbers).checked_div(span)?;
        Some((of_ticks, numbers.checked_div(frames)?))
    }

    pub(super) fn add(&mut self, frame: ClosedFrame) {
        if self.0.len() == CAPACITY {
            self.0.pop_front();
        }
        self.0.push_back(frame);
    }

    /// Place of a packet whose frame is closed or was never seen; `None` if the packet contradicts
    /// the frames around it, and so is of a source that restarted. `end` is the lowest number in
    /// the frame that follows the last closed one, if there is one.
    pub(super) fn locate(&mut self, rtp: &RtpHeader, end: Option<u64>) -> Option<Passed> {
        let frames = &self.0;
        let next = frames.partition_point(|it| !timestamp_after(it.timestamp, rtp.timestamp));
        let end = frames.get(next).map(|it| it.lowest).or(end);
        let before = next.checked_sub(1).map(|at| frames[at]);
        let start = match before {
            Some(own) if own.timestamp == rtp.timestamp => match next.checked_sub(2) {
                Some(at) => frames[at].highest + 1,
                None => own.lowest.saturating_sub(BEFORE_THE_FIRST),
            },
            Some(earlier) => earlier.highest + 1,
            None => {
                let first = frames.front().filter(|_| frames.len() < CAPACITY)?;
                if first.timestamp.wrapping_sub(rtp.timestamp) > TICKS_BEFORE_THE_FIRST {
                    return None;
                }
                first.lowest.saturating_sub(BEFORE_THE_FIRST)
            }
        };
        let number = first_from(start, rtp.sequence);
        if number >= end.unwrap_or(start + WINDOW) {
            return None;
        }
        let own = before.filter(|it| it.timestamp == rtp.timestamp);
        if own.is_some_and(|it| number > it.highest && !is_near(number, it.highest)) {
            return None;
        }
        if let Some(own) = own.filter(|it| !it.is_whole) {
            let own_end = &mut self.0[next - 1].highest;
            *own_end = number.max(own.highest);
        }
        let closed_ns = before.or(self.0.front().copied())?.closed_ns;
        Some(Passed { number, closed_ns })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames of 10 packets each, 1500 ticks apart, from number 100,000 and timestamp 5000 on.
    fn history(frames: u32) -> History {
        let mut history = History::new();
        for at in 0..frames {
            let lowest = 100_000 + u64::from(at) * 10;
            history.add(ClosedFrame {
                timestamp: 5000 + at * 1500,
                field: false,
                lowest,
                highest: lowest + 9,
                closed_ns: u64::from(at),
                is_whole: false,
            });
        }
        history
    }

    fn number(history: &mut History, timestamp: u32, number: u64) -> Option<u64> {
        let rtp = RtpHeader {
            marker: false,
            payload_type: 96,
            sequence: u16::try_from(number % WINDOW).unwrap(),
            timestamp,
            ssrc: 1,
        };
        history.locate(&rtp, None).map(|it| it.number)
    }

    #[test]
    fn packets_of_closed_frames_then_placed_and_others_contradict() {
        let mut history = history(5);
        for at in [100_010, 100_015, 100_019] {
            assert_eq!(number(&mut history, 6500, at), Some(at));
        }
        assert_eq!(number(&mut history, 6500, 100_020), None);
        assert_eq!(number(&mut history, 6500, 100_009), None);
        // A frame that was never seen has no numbers left.
        assert_eq!(number(&mut history, 7000, 100_015), None);
        // The rest of the last one, and what came before the first.
        assert_eq!(number(&mut history, 11_000, 100_060), Some(100_060));
        assert_eq!(number(&mut history, 5000, 99_000), Some(99_000));
        assert_eq!(number(&mut history, 4000, 99_990), Some(99_990));
        assert_eq!(number(&mut history, 4000, 100_001), None);
        assert_eq!(number(&mut history, 4_000_000_000, 99_990), None);
    }

    #[test]
    fn frames_more_than_are_kept_then_what_is_older_contradicts() {
        let mut history = history(300);
        assert_eq!(number(&mut history, 5000, 100_000), None);
        let last = 5000 + 299 * 1500;
        assert_eq!(number(&mut history, last, 102_991), Some(102_991));
        assert_eq!(
            History::new().locate(
                &RtpHeader {
                    marker: false,
                    payload_type: 96,
                    sequence: 1,
                    timestamp: 1,
                    ssrc: 1,
                },
                None
            ),
            None
        );
    }
}
