//! Packets of a unit that came before others of it: their place is known when the others have come.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A packet that waits. Of two of one place, the one that came first is less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    /// Its place, and that of the packet after it.
    pub(super) place: u32,
    start: usize,
    end: usize,
    pub(super) next: u32,
    /// Its unwrapped sequence number.
    pub(super) number: u64,
}

/// The packets that wait, the lowest place first. A heap: a packet of any place costs the same.
#[derive(Debug)]
pub(super) struct Staged {
    bytes: Box<[u8]>,
    used: usize,
    waiting: BinaryHeap<Reverse<Waiting>>,
    most: usize,
}

impl Staged {
    pub(super) fn new(bytes: usize, packets: usize) -> Self {
        Self {
            bytes: vec![0; bytes].into_boxed_slice(),
            used: 0,
            waiting: BinaryHeap::with_capacity(packets),
            most: packets,
        }
    }

    pub(super) fn clear(&mut self) {
        self.used = 0;
        self.waiting.clear();
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether no other packet can wait, however small.
    pub(super) fn is_full(&self) -> bool {
        self.waiting.len() == self.most
    }

    /// Lets a packet wait. False if no room is left.
    pub(super) fn add(&mut self, (place, next): (u32, u32), number: u64, data: &[u8]) -> bool {
        let (start, end) = (self.used, self.used + data.len());
        let Some(room) = self.bytes.get_mut(start..end) else {
            return false;
        };
        if self.waiting.len() == self.most {
            return false;
        }
        room.copy_from_slice(data);
        self.used = end;
        self.waiting.push(Reverse(Waiting {
            place,
            start,
            end,
            next,
            number,
        }));
        true
    }

    /// Takes the first packet out if its place is at most `place`, or if it has this number.
    pub(super) fn take(&mut self, place: u32, number: u64) -> Option<Waiting> {
        let is = |it: Waiting| it.place <= place || it.number == number;
        let is_next = self.waiting.peek().is_some_and(|it| is(it.0));
        is_next.then(|| self.waiting.pop()).flatten().map(|it| it.0)
    }

    /// The bytes of a packet.
    pub(super) fn bytes(&self, of: Waiting) -> &[u8] {
        &self.bytes[of.start..of.end]
    }
}
