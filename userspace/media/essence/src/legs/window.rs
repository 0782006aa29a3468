//! The packets near the next one: when each came, and the bytes of those that wait.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use arrayvec::ArrayVec;

use super::leg::{Leg, Onward};
use super::places::{Places, StoredPacket};

/// Packets passed on together.
const BATCH: usize = 32;

/// Among the legs of a packet: it was set aside, and another can have its number.
const ASIDE: u8 = 1 << 7;

/// State of one packet.
#[derive(Debug, Default)]
struct Entry {
    number: u64,
    arrived: Arrived,
    /// Its bytes wait here.
    place: Option<StoredPacket>,
}

/// A packet that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Arrived {
    pub(super) at_ns: u64,
    pub(super) timestamp: u32,
    /// The first bytes of its payload, and its length: see [`content`].
    pub(super) content: [u8; 3],
    /// The legs that brought it, a bit each; 0: none.
    pub(super) legs: u8,
}

/// Tells the payloads of two packets of one number apart: by the first bytes, which say the place in a unit, and the
/// length.
#[inline]
pub(super) fn content(payload: &[u8]) -> [u8; 3] {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let head = match payload.first_chunk() {
        Some(it) => u64::from_be_bytes(*it),
        None => payload.iter().fold(0, |all, it| all << 8 | u64::from(*it)),
    };
    let [a, b, c, ..] = (head ^ payload.len() as u64)
        .wrapping_mul(ODD)
        .to_be_bytes();
    [a, b, c]
}

/// A packet that is farther ahead than its stream can be: it is used if another agrees with it.
#[derive(Debug)]
struct Kept {
    number: u64,
    arrived: Arrived,
    /// Packets of its leg until it came.
    packets: u64,
    place: StoredPacket,
}

/// Packets by their unwrapped number: as many after the next one as can wait, and as many before it. A [`StoredPacket`] leaves
/// the window's places for an entry or for what is kept, and goes back when that is replaced: none can be lost.
#[derive(Debug)]
pub(super) struct Window {
    entries: Box<[Entry]>,
    /// The numbers of those that wait, the lowest first. Each entry with a place is in it.
    waiting: BinaryHeap<Reverse<u64>>,
    kept: [Option<Kept>; 2],
    places: Places,
}

impl Window {
    /// For `packets` that wait, rounded up to a power of two, of at most `packet_bytes` each.
    pub(super) fn new(packets: usize, packet_bytes: usize) -> Self {
        let packets = packets.next_power_of_two();
        let entries = std::iter::repeat_with(Entry::default);
        Self {
            entries: entries.take(2 * packets).collect(),
            waiting: BinaryHeap::with_capacity(packets),
            kept: [None, None],
            places: Places::new(packets + Leg::BOTH.len(), packet_bytes),
        }
    }

    /// Bytes of a window of so many packets.
    pub(super) const fn memory_bytes(packets: usize, packet_bytes: usize) -> u64 {
        let packets = packets.next_power_of_two();
        let each = 2 * size_of::<Entry>() + size_of::<Reverse<u64>>();
        (packets * each) as u64 + Places::memory_bytes(packets + Leg::BOTH.len(), packet_bytes)
    }

    /// Packets that can wait: only numbers less than this after the next one.
    pub(super) const fn len(&self) -> u64 {
        self.entries.len() as u64 / 2
    }

    /// Packets that wait, or came before the next one and were passed on.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    #[inline]
    fn at(&self, number: u64) -> usize {
        let mask = self.entries.len() as u64 - 1;
        usize::try_from(number & mask).expect("an index of the table")
    }

    /// The packet of this number, if it came.
    #[inline]
    pub(super) fn arrived(&self, number: u64) -> Option<Arrived> {
        let entry = &self.entries[self.at(number)];
        (entry.number == number && (1..ASIDE).contains(&entry.arrived.legs))
            .then_some(entry.arrived)
    }

    /// Whether the packet of this number came, and was this one.
    #[inline]
    pub(super) fn has(&self, number: u64, packet: &Arrived) -> bool {
        self.arrived(number)
            .is_some_and(|it| (it.timestamp, it.content) == (packet.timestamp, packet.content))
    }

    /// Notes that a leg brought a packet that is refused, less than [`Self::len`] from the next one. Returns whether the
    /// other leg brought it before.
    pub(super) fn set_aside(&mut self, number: u64, arrived: Arrived) -> bool {
        let at = self.at(number);
        let before = &mut self.entries[at];
        if before.number == number && before.arrived.legs != 0 {
            let is_same = (before.arrived.timestamp, before.arrived.content)
                == (arrived.timestamp, arrived.content);
            let is_new = before.arrived.legs & arrived.legs == 0;
            let is_copy = before.arrived.legs >= ASIDE && is_same && is_new;
            before.arrived.legs |= arrived.legs * u8::from(is_copy);
            return is_copy;
        }
        let legs = arrived.legs | ASIDE;
        self.put(number, Arrived { legs, ..arrived }, None);
        false
    }

    /// Numbers of packets that were set aside, of these.
    pub(super) fn set_aside_of(&self, numbers: Range<u64>) -> u64 {
        let numbers = numbers.take(self.entries.len());
        let is_aside = |it: &u64| {
            let entry = &self.entries[self.at(*it)];
            entry.number == *it && entry.arrived.legs >= ASIDE
        };
        numbers.filter(is_aside).count() as u64
    }

    /// The lowest number that waits, and when it came.
    #[inline]
    pub(super) fn lowest(&self) -> Option<(u64, u64)> {
        let Reverse(number) = *self.waiting.peek()?;
        Some((number, self.arrived(number).map_or(0, |it| it.at_ns)))
    }

    /// The only way to another entry.
    #[inline]
    fn put(&mut self, number: u64, arrived: Arrived, place: Option<StoredPacket>) {
        let at = self.at(number);
        let entry = Entry {
            number,
            arrived,
            place,
        };
        let before = std::mem::replace(&mut self.entries[at], entry);
        if let Some(place) = before.place {
            self.places.give_back(place);
        }
    }

    /// Notes that a packet came and was passed on: the next one, or one before it.
    #[inline]
    pub(super) fn note(&mut self, number: u64, arrived: Arrived) {
        self.put(number, arrived, None);
    }

    /// Notes that a leg brought a packet, too.
    #[inline]
    pub(super) fn add_leg(&mut self, number: u64, leg: u8) {
        let at = self.at(number);
        self.entries[at].arrived.legs |= leg;
    }

    /// Lets a packet wait that is less than [`Self::len`] after the next one; it replaces another of its number. False
    /// if it is too large: it is known, and does not wait.
    pub(super) fn hold(&mut self, number: u64, arrived: Arrived, packet: &[u8]) -> bool {
        let place = self.places.copy(packet);
        let waits = place.is_some();
        self.wait(number, arrived, place);
        waits
    }

    fn wait(&mut self, number: u64, arrived: Arrived, place: Option<StoredPacket>) {
        if !self.waits(number) {
            self.waiting.push(Reverse(number));
        }
        self.put(number, arrived, place);
    }

    /// Whether the packet of this number waits.
    #[inline]
    pub(super) fn waits(&self, number: u64) -> bool {
        let entry = &self.entries[self.at(number)];
        entry.place.is_some() && entry.number == number
    }

    /// Keeps a packet of a leg beside those that wait, instead of the one before. False if it is too large.
    pub(super) fn keep(
        &mut self,
        leg: Leg,
        (number, arrived): (u64, Arrived),
        packets: u64,
        packet: &[u8],
    ) -> bool {
        self.drop_kept(leg);
        let place = self.places.copy(packet);
        self.kept[leg as usize] = place.map(|place| Kept {
            number,
            arrived,
            packets,
            place,
        });
        self.kept[leg as usize].is_some()
    }

    /// The packet of a leg that is kept, and how many the leg had brought then.
    #[inline]
    pub(super) fn kept(&self, leg: Leg) -> Option<(u64, Arrived, u64)> {
        let kept = self.kept[leg as usize].as_ref();
        kept.map(|it| (it.number, it.arrived, it.packets))
    }

    /// Lets the packet of a leg that is kept wait among the others; see [`Self::hold`].
    pub(super) fn hold_kept(&mut self, leg: Leg) {
        if let Some(kept) = self.kept[leg as usize].take() {
            self.wait(kept.number, kept.arrived, Some(kept.place));
        }
    }

    /// Forgets the packet of a leg that is kept.
    pub(super) fn drop_kept(&mut self, leg: Leg) {
        if let Some(kept) = self.kept[leg as usize].take() {
            self.places.give_back(kept.place);
        }
    }

    /// Takes the lowest packet out if its number is at most `next`. It stays known.
    fn take(&mut self, next: u64) -> Option<(u64, Option<u32>, Option<StoredPacket>)> {
        let Reverse(number) = *self.waiting.peek()?;
        if number > next {
            return None;
        }
        self.waiting.pop();
        let at = self.at(number);
        let entry = Some(&mut self.entries[at]).filter(|it| it.number == number);
        let timestamp = entry.as_ref().map(|it| it.arrived.timestamp);
        Some((number, timestamp, entry.and_then(|it| it.place.take())))
    }

    /// Forgets the lowest packet that waits, which has this number: another can come.
    pub(super) fn forget(&mut self, number: u64) {
        if let Some((_, _, Some(place))) = self.take(number) {
            self.places.give_back(place);
        }
        self.put(number, Arrived::default(), None);
    }

    /// Passes on the packets that wait from `next` on without a hole. Returns the number after them, and the timestamp of
    /// the last one, if there are any.
    pub(super) fn drain(&mut self, next: u64, out: &mut impl Onward) -> Option<(u64, Option<u32>)> {
        let mut end = None;
        // Each turn takes one at least of those that wait.
        loop {
            let before = self.waiting.len();
            let mut places = ArrayVec::<StoredPacket, BATCH>::new();
            while !places.is_full() {
                let (from, time) = end.unwrap_or((next, None));
                let Some((number, timestamp, place)) = self.take(from) else {
                    break;
                };
                places.extend(place);
                end = Some((from.max(number + 1), timestamp.or(time)));
            }
            let packets: ArrayVec<&[u8], BATCH> =
                places.iter().map(|it| self.places.read(it)).collect();
            pass(&packets, out);
            drop(packets);
            let is_all = !places.is_full();
            places.into_iter().for_each(|it| self.places.give_back(it));
            if is_all {
                return end;
            }
            debug_assert!(self.waiting.len() < before, "a full batch was taken");
        }
    }

    /// Forgets what waits and is kept. Their numbers stay known, and are not used again.
    pub(super) fn clear(&mut self) {
        Leg::BOTH.into_iter().for_each(|leg| self.drop_kept(leg));
        // Each turn takes one of those that wait.
        while let Some((_, _, place)) = self.take(u64::MAX) {
            place.into_iter().for_each(|it| self.places.give_back(it));
        }
    }

    /// Whether each place is free, or of a packet that waits or is kept.
    pub(super) fn is_whole(&self) -> bool {
        let in_entries = self.entries.iter().filter(|it| it.place.is_some()).count();
        let kept = self.kept.iter().flatten().count();
        let places = self.entries.len() / 2 + self.kept.len();
        self.places.free() + in_entries + kept == places && in_entries <= self.waiting.len()
    }
}

pub(super) fn pass(packets: &[&[u8]], out: &mut impl Onward) {
    if !packets.is_empty() {
        out.pass(packets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::legs::tests::Out;

    const ARRIVED: Arrived = Arrived {
        at_ns: 1,
        timestamp: 2,
        content: [3; 3],
        legs: 1,
    };

    #[test]
    fn window_allocated_then_as_large_as_it_says() {
        for (packets, packet_bytes) in [(64, 64), (1_000, 1_472)] {
            let window = Window::new(packets, packet_bytes);
            let entries = size_of_val(&*window.entries) as u64;
            let waiting = (window.waiting.capacity() * size_of::<u64>()) as u64;
            let places = Places::memory_bytes(window.places.free(), packet_bytes);
            let all = entries + waiting + places;
            assert_eq!(Window::memory_bytes(packets, packet_bytes), all);
        }
    }

    #[test]
    fn packet_that_waits_replaced_by_any_then_no_place_is_lost() {
        let mut window = Window::new(64, 64);
        for number in [70, 75, 70] {
            assert!(window.hold(number, ARRIVED, &[7; 64]));
        }
        assert!(window.is_whole() && window.waiting() == 2);
        assert!(!window.hold(70, ARRIVED, &[7; 65]));
        // Another number of the same entry.
        window.note(75 + 128, ARRIVED);
        assert!(window.is_whole() && !window.waits(70));
        for bytes in [64, 64, 65] {
            let is_kept = window.keep(Leg::Second, (99, ARRIVED), 1, &vec![7; bytes]);
            assert!(window.is_whole() && is_kept == (bytes == 64));
        }
        let mut passed = Vec::new();
        let out = &mut Out(&mut passed);
        assert_eq!(window.drain(70, out), Some((71, Some(2))));
        window.clear();
        assert!(window.is_whole() && window.waiting() + passed.len() == 0);
    }
}
