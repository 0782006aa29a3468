//! RTP sequence numbers, unwrapped to 64 bits: packets that arrived, arrived twice, never arrived.
//!
//! Uses only the 16 bits of the RTP header, because GStreamer sends 0 in the extended ones. A frame
//! is told by its timestamp, so the frame that a packet belongs to says where its 16 bits lie.

use std::ops::Range;

use onair_mutant::mutant;

use crate::bits;

/// Remembered numbers: the whole 16-bit range.
pub(crate) const WINDOW: u64 = 1 << 16;

/// Words of the bitmap: a bit for each number.
const WORDS: usize = 1 << 10;

/// Position of a packet relative to earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The highest so far; numbers before it may be missing.
    Newest,
    /// Below the highest, and not seen before.
    Reordered,
    /// Not seen before, and counted as lost meanwhile.
    Lost,
    /// Seen before.
    Duplicate,
    /// So far below the highest that it is not remembered whether it was seen.
    Forgotten,
}

/// Sequence numbers of one synchronisation source.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    seen: Box<[u64; WORDS]>,
    /// Unwrapped. The first packet gets 2^16 and its number: packets sent before it stay above 0.
    highest: u64,
    /// The first packet's number. Numbers below it never count as lost.
    first: u64,
    /// Missing numbers below this are counted as lost.
    settled: u64,
    /// Lost numbers that left the window before they were counted.
    overdue: u64,
    /// Numbers of packets that were refused, up to the highest: others may have them yet.
    refused: Box<[u64; WORDS]>,
    highest_refused: u64,
}

impl Sequence {
    pub(crate) fn new() -> Self {
        Self {
            seen: Box::new([0; WORDS]),
            highest: 0,
            first: 0,
            settled: 0,
            overdue: 0,
            refused: Box::new([0; WORDS]),
            highest_refused: 0,
        }
    }

    /// Forgets everything: the next packet is the first of a new source. Returns its unwrapped
    /// number.
    pub(crate) fn start(&mut self, number: u16) -> u64 {
        self.seen.fill(0);
        self.first = WINDOW + u64::from(number);
        self.highest = self.first - 1;
        self.settled = self.first;
        (self.overdue, self.highest_refused) = (0, 0);
        self.first
    }

    /// Records the packet of an unwrapped number: at most [`WINDOW`] above the highest.
    #[inline]
    pub(crate) fn receive(&mut self, number: u64) -> Arrival {
        if number == self.highest + 1 && self.settled + WINDOW > number {
            // The usual case: the next number, and nothing leaves the window uncounted.
            self.highest = number;
            let (word, bit) = (place(number) / 64, place(number) % 64);
            self.seen[word] |= 1 << bit;
            return Arrival::Newest;
        }
        self.receive_other(number)
    }

    /// Whether this number and those after it, so many, are the next in-order ones, and none leaves the window
    /// uncounted.
    #[inline]
    pub(crate) const fn are_next(&self, number: u64, count: usize) -> bool {
        number == self.highest + 1 && self.settled + WINDOW >= number + count as u64
    }

    /// Records the packets of the next `count` in-order numbers, of which [`Self::are_next`] is true.
    #[inline]
    pub(crate) fn receive_next(&mut self, count: usize) {
        let start = self.highest + 1;
        self.highest += count as u64;
        for_each_half(start, self.highest + 1, |range| {
            bits::fill(&mut *self.seen, range)
        });
    }

    /// A packet other than the next in-order one.
    #[inline(never)]
    fn receive_other(&mut self, number: u64) -> Arrival {
        if number + WINDOW <= self.highest {
            return Arrival::Forgotten;
        }
        if number <= self.highest {
            return match self.mark(number) {
                false => Arrival::Duplicate,
                true if (self.first..self.settled).contains(&number)
                    && !self.was_refused(number) =>
                {
                    Arrival::Lost
                }
                true => Arrival::Reordered,
            };
        }
        let oldest = (number + 1).saturating_sub(WINDOW);
        if self.settled < oldest {
            self.overdue += self.missing(self.settled, oldest);
            self.settled = oldest;
        }
        for_each_half(self.highest + 1, number + 1, |range| {
            bits::clear(&mut *self.seen, range)
        });
        self.highest = number;
        self.mark(number);
        Arrival::Newest
    }

    /// Missing numbers below `end` that were not counted before.
    pub(crate) fn settle(&mut self, end: u64) -> u64 {
        let end = end.min(self.highest + 1);
        let mut missing = std::mem::take(&mut self.overdue);
        if end > self.settled {
            missing += self.missing(self.settled, end) - self.refused(self.settled, end);
            self.settled = end;
        }
        missing
    }

    /// Notes the number of a packet that was refused: as long as no other has it, it is missing, and not lost.
    #[cold]
    pub(crate) fn refuse(&mut self, number: u64) {
        if number < self.settled {
            return;
        }
        if number > self.highest_refused {
            let stale = (self.highest_refused + 1).max((number + 1).saturating_sub(WINDOW));
            for_each_half(stale, number + 1, |range| {
                bits::clear(&mut *self.refused, range)
            });
            self.highest_refused = number;
        }
        if number + WINDOW > self.highest_refused {
            bits::fill(&mut *self.refused, place(number)..place(number) + 1);
        }
    }

    /// Numbers in `start..end` of packets that were refused, which no other packet had.
    pub(crate) fn refused(&self, start: u64, end: u64) -> u64 {
        let start = start.max((self.highest_refused + 1).saturating_sub(WINDOW));
        let start = start.max((self.highest + 1).saturating_sub(WINDOW));
        let end = end.min(self.highest_refused + 1);
        let known = self.highest + 1;
        let mut count = 0;
        for_each_half(start, end.min(known), |range| {
            count += bits::count_without(&*self.refused, &*self.seen, range)
        });
        for_each_half(start.max(known), end, |range| {
            count += bits::count(&*self.refused, range)
        });
        count as u64
    }

    fn was_refused(&self, number: u64) -> bool {
        let is_known = number <= self.highest_refused && number + WINDOW > self.highest_refused;
        is_known && bits::count(&*self.refused, place(number)..place(number) + 1) > 0
    }

    /// Missing numbers in `start..end`, as far as remembered.
    pub(crate) fn missing(&self, start: u64, end: u64) -> u64 {
        let start = start.max((self.highest + 1).saturating_sub(WINDOW));
        let mut came = 0;
        for_each_half(start, end, |range| {
            came += bits::count(&*self.seen, range) as u64
        });
        end.saturating_sub(start).saturating_sub(came)
    }

    /// Whether a packet with this number came, as far as remembered.
    pub(crate) fn has(&self, number: u64) -> bool {
        number <= self.highest && self.has_all(number, number + 1)
    }

    /// Whether none is missing in `start..end`, as far as remembered. It looks no further than the first that is: a packet
    /// of a stranger can put the ends far apart, and each packet asks.
    pub(crate) fn has_all(&self, start: u64, end: u64) -> bool {
        let start = start.max((self.highest + 1).saturating_sub(WINDOW));
        let mut has_all = true;
        for_each_half(start, end, |Range { start, end }| {
            has_all = has_all && bits::find(&*self.seen, start, end, false).is_none();
        });
        has_all
    }

    /// The unwrapped number of a packet with these 16 bits, of a unit after one with this highest number: above that.
    /// Below, by `most` at most, if few of the numbers between came: one packet was far ahead, and the stream goes on
    /// before it.
    pub(crate) fn after(&self, highest: u64, number: u16, most: u64) -> u64 {
        let near = nearest(highest, number);
        let before = highest.saturating_sub(near);
        let goes_on_before = (1..=most).contains(&before)
            && near >= self.first
            && !self.has_all(near, near + 1)
            && 2 * self.missing(near, highest) >= before;
        match goes_on_before {
            true => near,
            false => first_from(highest + 1, number),
        }
    }

    /// A unit begins with this number. If few came between it and the highest, one packet was far ahead, and the source goes on
    /// here: what came from this number on is forgotten. Returns how many of them were counted as lost.
    pub(crate) fn rewind(&mut self, number: u64) -> u64 {
        let between = self.highest.saturating_sub(number + 1);
        let goes_on = between > 0 && 2 * self.missing(number + 1, self.highest) >= between;
        if !goes_on || mutant!("sequence: numbers far ahead stay taken") {
            return 0;
        }
        let start = number.max(self.first);
        let counted = self.missing(start, self.settled) - self.refused(start, self.settled);
        for_each_half(number, self.highest + 1, |range| {
            bits::clear(&mut *self.seen, range)
        });
        self.highest = number.saturating_sub(1);
        self.settled = self.settled.min(number);
        self.first = self.first.min(number);
        counted
    }

    /// The bitmap word for the next in-order number.
    #[inline]
    pub(crate) fn next_word(&self) -> &u64 {
        &self.seen[place(self.highest + 1) / 64]
    }

    /// Marks a number as arrived. False: it had arrived before.
    #[inline]
    fn mark(&mut self, number: u64) -> bool {
        let bit = place(number);
        bits::set(&mut *self.seen, bit..bit + 1) == 1
    }
}

/// The number with these 16 bits that is nearest to `reference`.
#[inline]
pub(crate) fn nearest(reference: u64, number: u16) -> u64 {
    let ahead = number.wrapping_sub(low(reference)).cast_signed();
    reference.saturating_add_signed(i64::from(ahead))
}

/// The first number with these 16 bits from `start` on.
#[inline]
pub(crate) fn first_from(start: u64, number: u16) -> u64 {
    start + u64::from(number.wrapping_sub(low(start)))
}

#[inline]
const fn low(number: u64) -> u16 {
    let [.., a, b] = number.to_be_bytes();
    u16::from_be_bytes([a, b])
}

#[inline]
fn place(number: u64) -> usize {
    usize::from(u16::try_from(number % WINDOW).expect("below 2^16"))
}

/// Bit ranges of `start..end`, at most the whole window: one range, or two after a wrap.
#[inline]
fn for_each_half(start: u64, end: u64, mut visit: impl FnMut(Range<usize>)) {
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
    fn numbers_unwrapped_then_nearest_or_at_once_after() {
        assert_eq!(nearest(WINDOW + 1, 0xffff), WINDOW - 1);
        assert_eq!(nearest(WINDOW - 1, 1), WINDOW + 1);
        assert_eq!(first_from(WINDOW + 1, 0), 2 * WINDOW);
        assert_eq!(first_from(WINDOW + 1, 1), WINDOW + 1);
    }

    #[test]
    fn source_goes_on_before_its_first_number_then_none_was_lost() {
        let mut sequence = Sequence::new();
        let first = sequence.start(10_000);
        sequence.receive(first);
        assert_eq!(sequence.settle(first + 1), 0);
        assert_eq!(sequence.rewind(first - 900), 0);
        // From here on it is as any other.
        for number in [first - 900, first - 890] {
            assert_eq!(sequence.receive(number), Arrival::Newest);
        }
        assert_eq!(sequence.settle(first - 889), 9);
        assert_eq!(sequence.receive(first - 895), Arrival::Lost);
    }

    #[test]
    fn sequence_over_the_wrap_then_goes_on_upwards() {
        let mut sequence = Sequence::new();
        let first = sequence.start(65_534);
        sequence.receive(first);
        let mut receive = |number| {
            let number = nearest(first, number);
            (number - first + 10, sequence.receive(number))
        };
        assert_eq!(receive(65_535), (11, Arrival::Newest));
        assert_eq!(receive(1), (13, Arrival::Newest));
        assert_eq!(receive(0), (12, Arrival::Reordered));
        assert_eq!(receive(65_535), (11, Arrival::Duplicate));
        assert_eq!(sequence.receive(first - 1), Arrival::Reordered);
        assert_eq!(sequence.settle(first + 4), 0);
    }

    #[test]
    fn sequence_first_packet_is_0_and_an_older_follows_no_underflow() {
        let mut sequence = Sequence::new();
        let first = sequence.start(0);
        sequence.receive(first);
        let older = nearest(first, 40_000);
        assert_eq!(sequence.receive(older), Arrival::Reordered);
    }

    #[test]
    fn sequence_number_counted_as_lost_then_told_when_it_arrives() {
        let mut sequence = Sequence::new();
        let first = sequence.start(7);
        sequence.receive(first);
        assert_eq!(sequence.receive(first + 3), Arrival::Newest);
        assert_eq!(sequence.settle(first + 4), 2);
        assert_eq!(sequence.receive(first + 1), Arrival::Lost);
        assert_eq!(sequence.receive(first + 1), Arrival::Duplicate);
        assert_eq!(sequence.receive(first - 1), Arrival::Reordered);
        assert_eq!(sequence.receive(first + WINDOW + 3), Arrival::Newest);
        assert_eq!(sequence.receive(first + 2), Arrival::Forgotten);
    }

    #[test]
    fn sequence_numbers_of_refused_packets_then_still_missing() {
        let mut sequence = Sequence::new();
        let first = sequence.start(65_530);
        sequence.receive(first);
        for number in [first + 2, first + 3, first + 30_000, first + 9] {
            sequence.refuse(number);
        }
        sequence.receive(first + 3);
        sequence.receive(first + 5);
        assert_eq!(sequence.refused(first, first + 6), 1);
        assert_eq!(sequence.refused(first, u64::MAX), 3);
        assert_eq!(sequence.settle(first + 6), 2, "the first and the fourth");
        assert_eq!(sequence.receive(first + 2), Arrival::Reordered);
        assert_eq!(sequence.receive(first + 1), Arrival::Lost);
        assert_eq!(sequence.refused(first, first + 6), 0);
        sequence.refuse(first + 2 * WINDOW);
        assert_eq!(sequence.refused(first, u64::MAX), 1);
    }

    #[test]
    fn sequence_unsettled_past_its_window_then_losses_count_once() {
        let mut sequence = Sequence::new();
        let first = sequence.start(10);
        sequence.receive(first);
        let mut end = first + 1;
        for more in (2..3 * WINDOW).filter(|more| more % 50_000 != 0) {
            sequence.receive(first + more);
            end = first + more + 1;
        }
        // 11, and one each at 50,000, 100,000, 150,000.
        assert_eq!(sequence.settle(end), 4);
        assert_eq!(sequence.settle(end), 0);
    }

    #[test]
    fn sequence_goes_on_before_what_came_then_as_if_none_had() {
        let mut sequence = Sequence::new();
        let first = sequence.start(65_000);
        sequence.receive(first);
        sequence.receive(first + 900);
        assert_eq!(sequence.settle(first + 901), 899);
        let number = sequence.after(first + 900, 65_001, 1_000);
        assert_eq!((number, sequence.rewind(number)), (first + 1, 899));
        for number in first + 1..first + 1_000 {
            assert_eq!(sequence.receive(number), Arrival::Newest);
        }
        assert_eq!(
            (
                sequence.settle(first + 1_000),
                sequence.rewind(first + 1_000)
            ),
            (0, 0)
        );
    }

    proptest! {
        #[test]
        fn sequence_in_rows_then_as_one_by_one(
            start: u16, rows in prop::collection::vec((0u64..3, 1usize..40), 1..40), far in 0u64..2 * WINDOW,
        ) {
            let (mut whole, mut single) = (Sequence::new(), Sequence::new());
            prop_assert_eq!(whole.start(start), single.start(start));
            for (at, (gap, row)) in rows.into_iter().enumerate() {
                let gap = if at == 5 { far % WINDOW } else { gap };
                let number = whole.highest + 1 + gap;
                if gap == 0 && whole.are_next(number, row) {
                    whole.receive_next(row);
                } else {
                    (number..).take(row).for_each(|it| _ = whole.receive(it));
                }
                (number..).take(row).for_each(|it| _ = single.receive(it));
                for (start, end) in [(number, number + 1), (number.saturating_sub(far), number + row as u64), (far, 1)] {
                    prop_assert_eq!(whole.has_all(start, end), whole.missing(start, end) == 0);
                }
                prop_assert_eq!(format!("{whole:?}"), format!("{single:?}"));
            }
        }

        #[test]
        fn sequence_some_dropped_or_repeated_then_each_is_counted_once(
            start: u16, kinds in prop::collection::vec(0u8..4, 1..3000),
        ) {
            let mut sequence = Sequence::new();
            let first = sequence.start(start);
            sequence.receive(first);
            let (mut number, mut lost, mut end, mut settled) = (first, 0, first + 1, 0);
            let mut pending = 0;
            for kind in kinds {
                number += 1;
                match kind {
                    0 => pending += 1,
                    kind => {
                        prop_assert_eq!(sequence.receive(number), Arrival::Newest);
                        lost += pending;
                        pending = 0;
                        end = number + 1;
                        if kind == 2 {
                            prop_assert_eq!(sequence.receive(number), Arrival::Duplicate);
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
