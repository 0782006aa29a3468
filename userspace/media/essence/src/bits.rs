//! Bit ranges in a slice of words, one word at a time.

use std::ops::Range;

/// Sets the bits of `range`. Returns how many were clear before.
#[inline]
pub(crate) fn set(words: &mut [u64], range: Range<usize>) -> usize {
    let mut fresh = range.len();
    for_each_word(range, |index, mask| {
        let word = &mut words[index];
        let before = *word & mask;
        // The usual case is zero: nothing to count.
        if before != 0 {
            fresh -= ones(before);
        }
        *word |= mask;
    });
    fresh
}

/// Clears the bits of `range`. Returns how many were set before.
#[inline]
pub(crate) fn unset(words: &mut [u64], range: Range<usize>) -> usize {
    let mut fresh = range.len();
    for_each_word(range, |index, mask| {
        let word = &mut words[index];
        let before = !*word & mask;
        // The usual case is zero: nothing to count.
        if before != 0 {
            fresh -= ones(before);
        }
        *word &= !mask;
    });
    fresh
}

/// Sets the bits of `range`.
#[inline]
pub(crate) fn fill(words: &mut [u64], range: Range<usize>) {
    for_each_word(range, |index, mask| words[index] |= mask);
}

/// Not inlined: long without a popcount instruction.
#[cold]
#[inline(never)]
const fn ones(word: u64) -> usize {
    word.count_ones() as usize
}

/// Clears the bits of `range`.
#[inline]
pub(crate) fn clear(words: &mut [u64], range: Range<usize>) {
    for_each_word(range, |index, mask| words[index] &= !mask);
}

/// Number of set bits in `range`.
#[inline]
pub(crate) fn count(words: &[u64], range: Range<usize>) -> usize {
    let mut ones = 0;
    for_each_word(range, |index, mask| {
        ones += (words[index] & mask).count_ones() as usize;
    });
    ones
}

/// Number of bits in `range` that are set in `words` and clear in `others`.
pub(crate) fn count_without(words: &[u64], others: &[u64], range: Range<usize>) -> usize {
    let mut ones = 0;
    for_each_word(range, |index, mask| {
        ones += (words[index] & !others[index] & mask).count_ones() as usize;
    });
    ones
}

/// First bit in `from..end` that is set (`wanted`) or clear (`!wanted`).
pub(crate) fn find(words: &[u64], from: usize, end: usize, wanted: bool) -> Option<usize> {
    let mut at = from;
    // Each turn goes on to the next word.
    while at < end {
        let word = words[at / 64];
        let candidates = (if wanted { word } else { !word }) >> (at % 64);
        if candidates != 0 {
            let found = at + candidates.trailing_zeros() as usize;
            return (found < end).then_some(found);
        }
        at = (at / 64 + 1) * 64;
    }
    None
}

#[inline]
fn for_each_word(range: Range<usize>, mut visit: impl FnMut(usize, u64)) {
    let Range { start, end } = range;
    if start >= end {
        return;
    }
    let (first, last) = (start / 64, (end - 1) / 64);
    let from = u64::MAX << (start % 64);
    let to = u64::MAX >> (63 - (end - 1) % 64);
    if first == last {
        visit(first, from & to);
        return;
    }
    visit(first, from);
    (first + 1..last).for_each(|index| visit(index, u64::MAX));
    visit(last, to);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn set_any_ranges_then_agrees_with_a_bool_per_bit(
            ranges in prop::collection::vec((0usize..300, 0usize..300, any::<bool>()), 0..20),
        ) {
            let mut words = [0u64; 5];
            let mut oracle = [false; 300];
            for (a, b, setting) in ranges {
                let range = a.min(b)..a.max(b);
                if setting {
                    let expected = oracle[range.clone()].iter().filter(|bit| !**bit).count();
                    prop_assert_eq!(set(&mut words, range.clone()), expected);
                } else {
                    let expected = oracle[range.clone()].iter().filter(|bit| **bit).count();
                    prop_assert_eq!(unset(&mut words, range.clone()), expected);
                }
                oracle[range.clone()].fill(setting);
                prop_assert_eq!(count(&words, 0..300), oracle.iter().filter(|bit| **bit).count());
                for wanted in [true, false] {
                    let expected = (a..300).find(|at| oracle[*at] == wanted);
                    prop_assert_eq!(find(&words, a, 300, wanted), expected);
                }
            }
        }
    }
}
