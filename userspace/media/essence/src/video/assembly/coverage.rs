//! Arrived pgroups of a frame, one bit each: no overlap, repetition or crafted length makes an
//! incomplete frame look complete.

use crate::bits;
use crate::receive::MissingRange;
use crate::video::{Pgroups, VideoFormat};

/// The bitmap of one frame.
#[derive(Debug, Clone)]
pub struct Coverage {
    words: Box<[u64]>,
    /// A bit for each word that this frame changed: to clear and to search costs by what came.
    changed: Box<[u64]>,
    /// Value of the bit of a pgroup that arrived: after a whole frame all are so, and need no clearing for the next
    /// one.
    arrived: bool,
    pgroups: usize,
    /// From this pgroup on, bits of an earlier frame may be left.
    clean: usize,
    covered: usize,
    /// All before this one arrived.
    stands: usize,
    pgroup_bytes: usize,
}

impl Coverage {
    /// An empty bitmap for a frame of `format`.
    #[must_use]
    pub fn new(format: &VideoFormat) -> Self {
        let pgroups = format.frame_pgroups();
        let words = pgroups.div_ceil(64);
        Self {
            words: vec![0; words].into_boxed_slice(),
            changed: vec![0; words.div_ceil(64)].into_boxed_slice(),
            arrived: true,
            pgroups,
            clean: pgroups,
            covered: 0,
            stands: 0,
            pgroup_bytes: format.pgroup_bytes(),
        }
    }

    /// Clears the bitmap.
    pub fn clear(&mut self) {
        self.clear_for(self.pgroups);
    }

    /// Clears the bitmap for a frame of `pgroups`, at most those of the format.
    pub(super) fn clear_for(&mut self, pgroups: usize) {
        let pgroups = pgroups.min(self.words.len() * 64);
        if self.is_complete() {
            self.arrived = !self.arrived;
            self.clean = self.pgroups;
            self.changed.fill(0);
        } else {
            let blank = if self.arrived { 0 } else { u64::MAX };
            for (at, changed) in self.changed.iter_mut().enumerate() {
                // Each turn takes one of the words that changed.
                while *changed != 0 {
                    let word = at * 64 + changed.trailing_zeros() as usize;
                    self.words[word] = blank;
                    *changed &= *changed - 1;
                }
            }
        }
        if pgroups > self.clean {
            match self.arrived {
                true => bits::clear(&mut self.words, self.clean..pgroups),
                false => bits::fill(&mut self.words, self.clean..pgroups),
            }
            self.clean = pgroups;
        }
        (self.pgroups, self.covered, self.stands) = (pgroups, 0, 0);
    }

    /// Marks pgroups as arrived. Returns how many of them are new. Counts only those that lie in the
    /// frame.
    #[inline]
    pub fn add(&mut self, place: Pgroups) -> usize {
        let end = place.first.saturating_add(place.pgroups).min(self.pgroups);
        if place.first >= end {
            return 0;
        }
        let range = place.first..end;
        bits::fill(
            &mut self.changed,
            range.start / 64..(range.end - 1) / 64 + 1,
        );
        let fresh = match self.arrived {
            true => bits::set(&mut self.words, range),
            false => bits::unset(&mut self.words, range),
        };
        self.covered += fresh;
        fresh
    }

    /// Whether all of these pgroups that lie in the frame arrived.
    pub(super) fn has(&self, place: Pgroups) -> bool {
        let end = place.first.saturating_add(place.pgroups).min(self.pgroups);
        bits::find(&self.words, place.first, end, !self.arrived).is_none()
    }

    /// The pgroups that arrived before the first that did not. It searches from where the last search ended.
    pub(super) fn stands(&mut self) -> usize {
        let missing = bits::find(&self.words, self.stands, self.pgroups, !self.arrived);
        self.stands = missing.unwrap_or(self.pgroups);
        self.stands
    }

    /// Whether every byte arrived.
    #[inline]
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.covered == self.pgroups
    }

    /// A word of each cache line of the bitmap that the next `bytes` in-order bytes will change.
    #[inline]
    pub(super) fn next_lines(&self, bytes: usize) -> impl Iterator<Item = &u64> {
        let end = self.covered + bytes / self.pgroup_bytes;
        let words = self.covered / 64..(end / 64 + 1).min(self.words.len());
        self.words.get(words).into_iter().flatten().step_by(8)
    }

    /// Bytes that arrived.
    #[inline]
    pub(super) const fn covered_bytes(&self) -> usize {
        self.covered * self.pgroup_bytes
    }

    /// Bytes that did not arrive.
    #[must_use]
    pub const fn bytes_missing(&self) -> usize {
        (self.pgroups - self.covered) * self.pgroup_bytes
    }

    /// Ranges that did not arrive, in order.
    pub fn missing(&self) -> impl Iterator<Item = MissingRange> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let start = bits::find(&self.words, at, self.pgroups, !self.arrived)?;
            at = self.next_arrived(start).unwrap_or(self.pgroups);
            Some(MissingRange {
                offset: start * self.pgroup_bytes,
                len: (at - start) * self.pgroup_bytes,
            })
        })
    }

    /// The first pgroup from `from` on that arrived: in a word that changed.
    fn next_arrived(&self, from: usize) -> Option<usize> {
        let words = self.pgroups.div_ceil(64);
        let mut at = from;
        // Each turn begins at a later word.
        loop {
            let word = bits::find(&self.changed, at / 64, words, true)?;
            let (start, end) = (at.max(word * 64), self.pgroups.min(word * 64 + 64));
            let found = bits::find(&self.words, start, end, self.arrived);
            if found.is_some() {
                return found;
            }
            at = word * 64 + 64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::video::{Depth, FrameRate};
    use proptest::prelude::*;

    fn coverage() -> Coverage {
        let rate = FrameRate::new(25, 1).unwrap();
        Coverage::new(&VideoFormat::new(26, 10, Depth::Ten, rate).unwrap())
    }

    #[test]
    fn coverage_next_lines_then_a_word_of_each_within_the_frame() {
        let rate = FrameRate::new(25, 1).unwrap();
        let format = VideoFormat::new(1920, 1080, Depth::Ten, rate).unwrap();
        let mut coverage = Coverage::new(&format);
        let (pgroups, line) = (format.frame_pgroups(), 512 * format.pgroup_bytes());
        let lines = |it: &Coverage, bytes| it.next_lines(bytes).count();
        assert_eq!(
            [0, line - 1, line, 5 * line].map(|it| lines(&coverage, it)),
            [1, 1, 2, 6]
        );
        let first = 0;
        coverage.add(Pgroups { first, pgroups });
        assert_eq!(lines(&coverage, 5 * line), 0);
    }

    proptest! {
        #[test]
        fn coverage_used_again_then_as_a_new_one(
            frames in prop::collection::vec(
                (1usize..140, any::<bool>(), prop::collection::vec((0usize..130, 0usize..60), 0..6)), 1..12),
        ) {
            let mut used = coverage();
            for (pgroups, is_whole, ranges) in frames {
                let mut new = coverage();
                used.clear_for(pgroups);
                new.clear_for(pgroups);
                for (first, pgroups) in ranges.into_iter().chain(is_whole.then_some((0, 130))) {
                    let place = Pgroups { first, pgroups };
                    prop_assert_eq!(used.add(place), new.add(place));
                    prop_assert_eq!(used.is_complete(), new.is_complete());
                    prop_assert!(used.missing().eq(new.missing()));
                    let stands = new.missing().next().map_or(new.pgroups, |it| it.offset / 5);
                    prop_assert_eq!([used.stands(), new.stands()], [stands; 2]);
                }
            }
        }

        #[test]
        fn coverage_overlapping_ranges_then_complete_with_each_pgroup(
            ranges in prop::collection::vec((0usize..130, 0usize..140), 0..40),
        ) {
            let mut coverage = coverage();
            let mut oracle = [false; 130];
            for (start, len) in ranges {
                let end = (start + len).min(130);
                let fresh = oracle[start..end].iter().filter(|came| !**came).count();
                prop_assert_eq!(coverage.has(Pgroups { first: start, pgroups: len }), fresh == 0);
                prop_assert_eq!(coverage.add(Pgroups { first: start, pgroups: len }), fresh);
                oracle[start..end].fill(true);
                let missing = oracle.iter().filter(|came| !**came).count();
                prop_assert_eq!(coverage.bytes_missing(), missing * 5);
                prop_assert_eq!(coverage.is_complete(), missing == 0);
                let mut listed = [true; 130];
                for range in coverage.missing() {
                    prop_assert!(range.len > 0);
                    listed[range.offset / 5..(range.offset + range.len) / 5].fill(false);
                }
                prop_assert_eq!(listed, oracle);
            }
        }
    }

    #[test]
    fn coverage_beyond_the_frame_then_does_not_count() {
        let mut coverage = coverage();
        let place = |first, pgroups| Pgroups { first, pgroups };
        assert_eq!(coverage.add(place(129, 9)), 1);
        assert_eq!(coverage.add(place(130, 1)), 0);
        assert_eq!(coverage.add(place(usize::MAX, usize::MAX)), 0);
        coverage.clear();
        assert_eq!(coverage.bytes_missing(), 650);
        coverage.clear_for(100);
        assert_eq!(
            (coverage.add(place(0, 130)), coverage.is_complete()),
            (100, true)
        );
    }
}
