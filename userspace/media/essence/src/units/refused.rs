//! Packets that were refused. Their numbers are missing: packets of the units may have them. Where none has, they say of which
//! unit it was.

use std::ops::Range;

use crate::sequence::Sequence;

/// Packets that are remembered.
const REMEMBERED: usize = 16;
/// Packets that are remembered: those of a few units.
const MOST: usize = 16;

/// A packet that was refused, with its unwrapped number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) number: u64,
    pub(super) timestamp: u32,
    pub(super) is_of_other_format: bool,
}

/// The last packets of the source that were refused.
#[derive(Debug, Default)]
pub(super) struct LastRefused {
    packets: [Option<Refused>; REMEMBERED],
    noted: usize,
}

impl LastRefused {
    pub(super) fn note(&mut self, packet: Refused) {
        self.packets[self.noted % REMEMBERED] = Some(packet);
        self.noted += 1;
    }

    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Those whose number no other packet has.
    fn left<'a>(&'a self, sequence: &'a Sequence) -> impl Iterator<Item = &'a Refused> {
        let packets = self.packets.iter().flatten();
        packets.filter(|it| sequence.refused(it.number, it.number + 1) == 1)
    }

    /// Whether packets of the unit with this timestamp show another format.
    pub(super) fn are_of_other_format(&self, timestamp: u32, sequence: &Sequence) -> bool {
        let mut left = self.left(sequence);
        left.any(|it| it.timestamp == timestamp && it.is_of_other_format)
    }

    /// The first number from `start` on, below `end`, that none has of which the timestamp `is_before`.
    pub(super) fn after(
        &self,
        (start, end): (u64, u64),
        sequence: &Sequence,
        is_before: impl Fn(u32) -> bool,
    ) -> u64 {
        let is_of_another = |number: u64| {
            let mut left = self.left(sequence);
            left.any(|it| it.number == number && is_before(it.timestamp))
        };
        (start..end)
            .find(|number| !is_of_another(*number))
            .unwrap_or(end)
    }
}

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
