//! Packets that were refused. Their numbers are missing: packets of the units may have them. Where none has, they say of which
//! unit it was.

use crate::sequence::Sequence;

/// Packets that are remembered.
const REMEMBERED: usize = 16;

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
