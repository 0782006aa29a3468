//! Ranges of bits in a slice of words, a word at a time.

use std::ops::Range;

/// Sets the bits of `range`; answers how many of them were not set before.
pub(crate) fn set(words: &mut [u64], range: Range<usize>) -> usize {
    let mut fresh = 0;
    for_each_word(range, |index, mask| {
        let word = &mut words[index];
        fresh += (mask & !*word).count_ones() as usize;
        *word |= mask;
    });
    fresh
}

/// Clears the bits of `range`.
pub(crate) fn clear(words: &mut [u64], range: Range<usize>) {
    for_each_word(range, |index, mask| words[index] &= !mask);
}

/// How many bits of `range` are set.
pub(crate) fn count(words: &[u64], range: Range<usize>) -> usize {
    let mut ones = 0;
    for_each_word(range, |index, mask| {
        ones += (words[index] & mask).count_ones() as usize;
    });
    ones
}

/// The first bit at or after `from` and before `end` that is set (`wanted`) or clear (`!wanted`).
pub(crate) fn find(words: &[u64], from: usize, end: usize, wanted: bool) -> Option<usize> {
    let mut at = from;
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

fn for_each_word(range: Range<usize>, mut visit: impl FnMut(usize, u64)) {
    let Range { mut start, end } = range;
    while start < end {
        let low = start % 64;
        let taken = (64 - low).min(end - start);
        let mask = (u64::MAX >> (64 - taken)) << low;
        visit(start / 64, mask);
        start += taken;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn set__any_ranges__then_agrees_with_a_bool_per_bit(
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
                    clear(&mut words, range.clone());
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
