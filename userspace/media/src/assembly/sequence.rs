//! The 16-bit RTP sequence number, unwrapped: packets that arrived, arrived twice, never arrived.
//!
//! Uses only the 16 bits of the RTP header, because GStreamer sends 0 in the extended ones.

use crate::bits;

/// Remembered numbers: the whole 16-bit range.
const WINDOW: u64 = 1 << 16;

/// Words of the bitmap: a bit for each number.
const WORDS: usize = 1 << 10;

/// Position of a packet relative to earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    /// The highest so far; numbers before it may be missing.
    Newest,
    /// Below the highest, and not seen before.
    Reordered,
    /// Seen before.
    Duplicate,
}

/// Sequence numbers of one synchronisation source.
#[derive(Debug, Clone)]
pub(super) struct Sequence {
    seen: Box<[u64; WORDS]>,
    /// Unwrapped. The first packet gets 2^16 plus its number: packets sent before it stay above 0.
    highest: u64,
    /// Missing numbers below this are counted as lost.
    settled: u64,
    /// Lost numbers that left the window before they were counted.
    overdue: u64,
    started: bool,
}

impl Sequence {
    pub(super) fn new() -> Self {
        Self {
            seen: Box::new([0; WORDS]),
            highest: 0,
            settled: 0,
            overdue: 0,
            started: false,
        }
    }

    /// Forgets everything: the next packet is the first of a new source.
    pub(super) fn restart(&mut self) {
        self.seen.fill(0);
        self.started = false;
    }

    /// Records a packet. Returns its unwrapped number.
    #[inline]
    pub(super) fn receive(&mut self, number: u16) -> (u64, Arrival) {
        if !self.started {
            self.started = true;
            self.highest = WINDOW + u64::from(number);
            self.settled = self.highest;
            self.mark(self.highest);
            return (self.highest, Arrival::Newest);
        }
        let [.., a, b] = self.highest.to_be_bytes();
        let ahead = number
            .wrapping_sub(u16::from_be_bytes([a, b]))
            .cast_signed();
        let unwrapped = self.highest.saturating_add_signed(i64::from(ahead));
        if ahead == 1 && self.settled + WINDOW > unwrapped {
            // The usual case: the next number, and nothing leaves the window uncounted.
            self.highest = unwrapped;
            let (word, bit) = (place(unwrapped) / 64, place(unwrapped) % 64);
            self.seen[word] |= 1 << bit;
            return (unwrapped, Arrival::Newest);
        }
        self.receive_other(unwrapped, ahead)
    }

    /// A packet other than the next in-order one.
    #[inline(never)]
    fn receive_other(&mut self, unwrapped: u64, ahead: i16) -> (u64, Arrival) {
        if ahead <= 0 {
            return match self.mark(unwrapped) {
                true => (unwrapped, Arrival::Reordered),
                false => (unwrapped, Arrival::Duplicate),
            };
        }
        let oldest = (unwrapped + 1).saturating_sub(WINDOW);
        if self.settled < oldest {
            self.overdue += self.missing(self.settled, oldest);
            self.settled = oldest;
        }
        for_each_half(self.highest + 1, unwrapped + 1, |range| {
            bits::clear(&mut *self.seen, range)
        });
        self.highest = unwrapped;
        self.mark(unwrapped);
        (unwrapped, Arrival::Newest)
    }

    /// Missing numbers below `end` that were not counted before.
    pub(super) fn settle(&mut self, end: u64) -> u64 {
        let end = end.min(self.highest + 1);
        let mut missing = std::mem::take(&mut self.overdue);
        if end > self.settled {
            missing += self.missing(self.settled, end);
            self.settled = end;
        }
        missing
    }

    /// Missing numbers in `start..end`, as far as remembered.
    pub(super) fn missing(&self, start: u64, end: u64) -> u64 {
        let start = start.max((self.highest + 1).saturating_sub(WINDOW));
        let mut came = 0;
        for_each_half(start, end, |range| {
            came += bits::count(&*self.seen, range) as u64
        });
        end.saturating_sub(start).saturating_sub(came)
    }

    /// The bitmap word for the next in-order number.
    #[inline]
    pub(super) fn next_word(&self) -> &u64 {
        &self.seen[place(self.highest + 1) / 64]
    }

    /// Whether a packet with this number would be a duplicate.
    pub(super) fn has(&self, number: u16) -> bool {
        let bit = usize::from(number);
        self.started && bits::count(&*self.seen, bit..bit + 1) == 1
    }

    /// Whether it was unmarked before.
    #[inline]
    fn mark(&mut self, number: u64) -> bool {
        let bit = place(number);
        bits::set(&mut *self.seen, bit..bit + 1) == 1
    }
}

#[inline]
fn place(number: u64) -> usize {
    usize::from(u16::try_from(number % WINDOW).expect("below 2^16"))
}

/// Bit ranges of `start..end`, at most the whole window: one range, or two after a wrap.
#[inline]
fn for_each_half(start: u64, end: u64, mut visit: impl FnMut(std::ops::Range<usize>)) {
    if start >= end {
        return;
    }
    let (from, to) = (place(start), place(end - 1) + 1);
    if from < to {
        visit(from..to);
    } else {
        visit(from..place(WINDOW - 1) + 1);
        visit(0..to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sequence_over_the_wrap_then_goes_on_upwards() {
        let mut sequence = Sequence::new();
        let (first, _) = sequence.receive(65_534);
        assert_eq!(sequence.receive(65_535), (first + 1, Arrival::Newest));
        assert_eq!(sequence.receive(1), (first + 3, Arrival::Newest));
        assert_eq!(sequence.receive(0), (first + 2, Arrival::Reordered));
        assert_eq!(sequence.receive(65_535), (first + 1, Arrival::Duplicate));
        assert_eq!(sequence.receive(65_533), (first - 1, Arrival::Reordered));
        assert_eq!(sequence.settle(first + 4), 0);
    }

    #[test]
    fn sequence_first_packet_is_0_and_an_older_follows_then_no_underflow() {
        let mut sequence = Sequence::new();
        sequence.receive(0);
        assert_eq!(sequence.receive(40_000).1, Arrival::Reordered);
    }

    #[test]
    fn sequence_unsettled_for_more_than_its_window_then_what_was_lost_long_ago_is_counted_once() {
        let mut sequence = Sequence::new();
        let (first, _) = sequence.receive(10);
        let mut end = first + 1;
        for more in (2..3 * WINDOW).filter(|more| more % 50_000 != 0) {
            let number = u16::try_from((10 + more) % WINDOW).unwrap();
            end = sequence.receive(number).0 + 1;
        }
        // 11, and one each at 50,000, 100,000, 150,000.
        assert_eq!(sequence.settle(end), 4);
        assert_eq!(sequence.settle(end), 0);
    }

    proptest! {
        #[test]
        fn sequence_some_dropped_some_repeated_then_each_is_counted_once(
            start: u16, kinds in prop::collection::vec(0u8..4, 1..3000),
        ) {
            let mut sequence = Sequence::new();
            let (first, _) = sequence.receive(start);
            let (mut number, mut lost, mut end, mut settled) = (start, 0, first + 1, 0);
            let mut pending = 0;
            for kind in kinds {
                number = number.wrapping_add(1);
                match kind {
                    0 => pending += 1,
                    kind => {
                        let (at, arrival) = sequence.receive(number);
                        prop_assert_eq!(arrival, Arrival::Newest);
                        lost += pending;
                        pending = 0;
                        end = at + 1;
                        if kind == 2 {
                            prop_assert_eq!(sequence.receive(number).1, Arrival::Duplicate);
                        }
                        if kind == 3 {
                            settled += sequence.settle(end);
                        }
                    }
                }
            }
            prop_assert_eq!(settled + sequence.settle(end), lost);
        }
    }
}
