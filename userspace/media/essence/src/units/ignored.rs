//! Packets of which their standard says that they are ignored: their numbers are none that are missing.

use std::ops::Range;

use crate::sequence::Sequence;

/// Packets that are remembered: those of a few units.
const MOST: usize = 16;

/// The last ones: their unwrapped sequence numbers, and whether they had the marker.
#[derive(Debug, Default)]
pub(super) struct Ignored {
    packets: [Option<(u64, bool)>; MOST],
    next: usize,
}

impl Ignored {
    pub(super) const fn note(&mut self, number: u64, marker: bool) {
        self.packets[self.next] = Some((number, marker));
        self.next = (self.next + 1) % MOST;
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Packets with whose number no other packet came.
    fn within<'a>(
        &'a self,
        range: Range<u64>,
        sequence: &'a Sequence,
    ) -> impl Iterator<Item = (u64, bool)> + 'a {
        let packets = self.packets.iter().flatten().copied();
        packets.filter(move |it| range.contains(&it.0) && !sequence.has_all(it.0, it.0 + 1))
    }

    /// Whether only such packets are missing.
    pub(super) fn are_all_missing(&self, range: Range<u64>, sequence: &Sequence) -> bool {
        let count = self.within(range.clone(), sequence).count() as u64;
        count > 0 && count == sequence.missing(range.start, range.end)
    }

    /// Takes those of an ended unit for packets that came. Returns the number of the last one with the marker.
    pub(super) fn settle(&self, range: Range<u64>, sequence: &mut Sequence) -> Option<u64> {
        let mut last = None;
        for (number, marker) in self.packets.iter().flatten().copied() {
            if range.contains(&number) && !sequence.has_all(number, number + 1) {
                sequence.receive(number);
                last = last.max(marker.then_some(number));
            }
        }
        last
    }
}
