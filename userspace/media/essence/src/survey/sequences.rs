//! Lost, doubled and late packets by their sequence numbers.

/// Packets behind the newest that are still told apart from copies.
const WINDOW: u64 = 4096;
const WORDS: usize = (WINDOW / 64) as usize;

/// Counts by 16-bit sequence numbers; a gap of 32,768 or more is not seen as one.
#[derive(Debug, Clone)]
pub struct Sequences {
    /// Lowest and newest, unwrapped.
    range: Option<(u64, u64)>,
    seen: [u64; WORDS],
    received: u64,
    duplicates: u64,
    late: u64,
    gaps: u64,
    /// The last number that was far from the newest one.
    far: Option<u16>,
}

impl Default for Sequences {
    fn default() -> Self {
        Self {
            range: None,
            seen: [0; WORDS],
            received: 0,
            duplicates: 0,
            late: 0,
            gaps: 0,
            far: None,
        }
    }
}

impl Sequences {
    /// Adds a packet. Returns whether it is new: no copy of one before.
    #[inline]
    pub fn packet(&mut self, sequence: u16) -> bool {
        let far = self.far.take();
        let Some((lowest, newest)) = self.range else {
            // In the midst of the numbers, so that earlier packets fit below.
            let first = 1 << 32 | u64::from(sequence);
            self.range = Some((first, first));
            self.mark(first);
            self.received += 1;
            return true;
        };
        #[expect(clippy::cast_possible_truncation, reason = "its low bits")]
        let ahead = sequence.wrapping_sub(newest as u16).cast_signed();
        let number = newest.saturating_add_signed(ahead.into());
        if u64::from(ahead.unsigned_abs()) >= WINDOW {
            // Of the stream are two that agree.
            if !far.is_some_and(|far| (1..64).contains(&sequence.wrapping_sub(far))) {
                self.far = Some(sequence);
                self.duplicates += 1;
                return false;
            }
            (self.duplicates, self.received) = (self.duplicates - 1, self.received + 1);
            if ahead < 0 {
                // It begins anew.
                (self.range, self.seen) = (None, [0; WORDS]);
                return self.packet(sequence);
            }
        }
        if ahead > 0 {
            self.gaps += u64::from(ahead > 1);
            let passed = (newest + 1..number).rev().take(WORDS * 64);
            passed.for_each(|number| self.unmark(number));
            self.range = Some((lowest, number));
        } else {
            if self.has(number) {
                self.duplicates += 1;
                return false;
            }
            self.late += 1;
            self.range = Some((lowest.min(number), newest));
        }
        self.mark(number);
        self.received += 1;
        true
    }

    fn place(number: u64) -> (usize, u64) {
        let place = number % WINDOW;
        let word = usize::try_from(place / 64).expect("below the number of words");
        (word, 1 << (place % 64))
    }

    fn has(&self, number: u64) -> bool {
        let (word, bit) = Self::place(number);
        self.seen[word] & bit != 0
    }

    fn mark(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.seen[word] |= bit;
    }

    fn unmark(&mut self, number: u64) {
        let (word, bit) = Self::place(number);
        self.seen[word] &= !bit;
    }

    /// Packets without copies.
    #[must_use]
    pub const fn received(&self) -> u64 {
        self.received
    }

    /// Packets that never came, between the first and the last one.
    #[must_use]
    pub fn lost(&self) -> u64 {
        let expected = self.range.map_or(0, |(lowest, newest)| newest - lowest + 1);
        expected.saturating_sub(self.received)
    }

    /// Copies, and packets whose number alone is 4096 or more from the others.
    #[must_use]
    pub const fn duplicates(&self) -> u64 {
        self.duplicates
    }

    /// Packets that came after a later one.
    #[must_use]
    pub const fn late(&self) -> u64 {
        self.late
    }

    /// Gaps, each of one or more packets; late packets may have filled some.
    #[must_use]
    pub const fn gaps(&self) -> u64 {
        self.gaps
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lost_late_and_doubled_packets_are_counted_across_the_wrap() {
        let mut sequences = Sequences::default();
        for sequence in [65_533, 65_534, 0, 65_535, 0, 3, 1, 3, 65_532] {
            sequences.packet(sequence);
        }
        assert_eq!(sequences.received(), 7);
        assert_eq!(sequences.lost(), 1, "packet 2");
        assert_eq!(sequences.duplicates(), 2);
        assert_eq!(sequences.late(), 3);
        assert_eq!(sequences.gaps(), 2);
    }

    proptest! {
        #[test]
        fn any_order_within_the_window_counts_each_packet_once(
            start: u16,
            mut numbers in prop::collection::vec(0u16..2_000, 1..500),
        ) {
            numbers.insert(0, 1_000);
            let mut sequences = Sequences::default();
            let mut seen = std::collections::BTreeSet::new();
            for number in numbers.iter() {
                let new = sequences.packet(start.wrapping_add(*number));
                prop_assert_eq!(new, seen.insert(*number));
            }
            prop_assert_eq!(sequences.received(), seen.len() as u64);
            let (first, last) = (seen.first().unwrap(), seen.last().unwrap());
            let expected = u64::from(last - first) + 1;
            prop_assert_eq!(sequences.lost(), expected - seen.len() as u64);
        }
    }
}
