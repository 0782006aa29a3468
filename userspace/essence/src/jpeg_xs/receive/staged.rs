//! Packets of a unit that came before others of it: their place is known when the others have come.

use std::collections::VecDeque;

/// A packet that waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Waiting {
    /// Its place, and that of the packet after it.
    pub(super) place: u32,
    pub(super) next: u32,
    /// Its unwrapped sequence number.
    pub(super) number: u64,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The packets that wait, by their places, the lowest first.
#[derive(Debug)]
pub(super) struct Staged {
    bytes: Box<[u8]>,
    used: usize,
    waiting: VecDeque<Waiting>,
    most: usize,
}

/// Why a packet cannot wait.
pub(super) enum NotStaged {
    /// A packet of the same place waits already: it is a copy.
    Twice,
    /// No room is left.
    Full,
}

impl Staged {
    pub(super) fn new(bytes: usize, packets: usize) -> Self {
        Self {
            bytes: vec![0; bytes].into_boxed_slice(),
            used: 0,
            waiting: VecDeque::with_capacity(packets),
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

    pub(super) fn add(
        &mut self,
        (place, next): (u32, u32),
        number: u64,
        data: &[u8],
    ) -> Result<(), NotStaged> {
        let (start, end) = (self.used, self.used + data.len());
        let Some(room) = self.bytes.get_mut(start..end) else {
            return Err(NotStaged::Full);
        };
        let at = self.waiting.partition_point(|it| it.place < place);
        if self.waiting.get(at).is_some_and(|it| it.place == place) {
            return Err(NotStaged::Twice);
        }
        if self.waiting.len() == self.most {
            return Err(NotStaged::Full);
        }
        room.copy_from_slice(data);
        self.used = end;
        self.waiting.insert(
            at,
            Waiting {
                place,
                next,
                number,
                start,
                end,
            },
        );
        Ok(())
    }

    /// Takes the first packet out if its place is at most `place`.
    pub(super) fn take(&mut self, place: u32) -> Option<Waiting> {
        let is_next = self.waiting.front().is_some_and(|it| it.place <= place);
        is_next.then(|| self.waiting.pop_front()).flatten()
    }

    /// The bytes of a packet.
    pub(super) fn bytes(&self, of: Waiting) -> &[u8] {
        &self.bytes[of.start..of.end]
    }
}
