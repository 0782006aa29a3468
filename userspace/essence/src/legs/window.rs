//! The packets near the next one: when each came, and the bytes of those that wait.

/// What is known of one packet.
#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    number: u64,
    arrived_ns: u64,
    timestamp: u32,
    /// The legs that brought it, a bit each; 0: none.
    legs: u8,
    /// It waits in this place.
    waits: Option<Place>,
}

/// Where the bytes of a waiting packet are.
#[derive(Debug, Clone, Copy)]
struct Place {
    at: u32,
    bytes: u16,
}

/// A packet that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) at_ns: u64,
    pub(super) timestamp: u32,
    /// The legs that brought it, a bit each.
    pub(super) legs: u8,
}

/// Packets by their unwrapped number: as many after the next one as can wait, and as many before it.
#[derive(Debug)]
pub(super) struct Window {
    entries: Box<[Entry]>,
    /// The kernel gives memory to a place with its first use.
    bytes: Box<[u8]>,
    packet_bytes: usize,
    /// Free places; the last one used is used next, because it is in the cache.
    free: Vec<u32>,
    waiting: usize,
}

impl Window {
    /// For `packets` that wait, rounded up to a power of two, of at most `packet_bytes` each.
    pub(super) fn new(packets: usize, packet_bytes: usize) -> Self {
        let packets = packets.next_power_of_two();
        let places = u32::try_from(packets).expect("a window has fewer than 2^32 packets");
        Self {
            entries: vec![Entry::default(); 2 * packets].into(),
            bytes: vec![0; packets * packet_bytes].into(),
            packet_bytes,
            free: (0..places).rev().collect(),
            waiting: 0,
        }
    }

    /// Bytes of a window of so many packets.
    pub(super) fn memory_bytes(packets: usize, packet_bytes: usize) -> u64 {
        let each = 2 * size_of::<Entry>() + packet_bytes + size_of::<u32>();
        packets.next_power_of_two() as u64 * each as u64
    }

    /// Packets that can wait: only numbers less than this after the next one.
    pub(super) fn len(&self) -> u64 {
        self.entries.len() as u64 / 2
    }

    /// Packets that wait.
    pub(super) const fn waiting(&self) -> usize {
        self.waiting
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
        (entry.number == number && entry.legs != 0).then_some(Arrived {
            at_ns: entry.arrived_ns,
            timestamp: entry.timestamp,
            legs: entry.legs,
        })
    }

    /// Notes that a packet came, and does not wait.
    #[inline]
    pub(super) fn note(&mut self, number: u64, arrived: Arrived) {
        let at = self.at(number);
        self.entries[at] = Entry {
            number,
            arrived_ns: arrived.at_ns,
            timestamp: arrived.timestamp,
            legs: arrived.legs,
            waits: None,
        };
    }

    /// Notes that a leg brought a packet, too.
    #[inline]
    pub(super) fn add_leg(&mut self, number: u64, leg: u8) {
        let at = self.at(number);
        self.entries[at].legs |= leg;
    }

    /// Lets a packet wait that is less than [`Self::len`] after the next one; it replaces another of its number.
    /// False if it is too large.
    pub(super) fn hold(&mut self, number: u64, arrived: Arrived, packet: &[u8]) -> bool {
        let (at, Ok(bytes)) = (self.at(number), u16::try_from(packet.len())) else {
            return false;
        };
        if packet.len() > self.packet_bytes {
            return false;
        }
        let entry = &self.entries[at];
        let own = entry.waits.filter(|_| entry.number == number);
        let place = match own {
            Some(place) => place.at,
            None => {
                let Some(place) = self.free.pop() else {
                    return false;
                };
                self.waiting += 1;
                place
            }
        };
        let start = place as usize * self.packet_bytes;
        self.bytes[start..start + packet.len()].copy_from_slice(packet);
        self.note(number, arrived);
        self.entries[at].waits = Some(Place { at: place, bytes });
        true
    }

    /// Whether the packet of this number waits.
    #[inline]
    pub(super) fn waits(&self, number: u64) -> bool {
        let entry = &self.entries[self.at(number)];
        entry.waits.is_some() && entry.number == number
    }

    /// The bytes of a packet that waits.
    pub(super) fn bytes(&self, number: u64) -> Option<&[u8]> {
        let entry = &self.entries[self.at(number)];
        let place = entry.waits.filter(|_| entry.number == number)?;
        let start = place.at as usize * self.packet_bytes;
        Some(&self.bytes[start..start + usize::from(place.bytes)])
    }

    /// The packet waits no more. It stays known.
    pub(super) fn release(&mut self, number: u64) {
        let at = self.at(number);
        let entry = &mut self.entries[at];
        if entry.number != number {
            return;
        }
        if let Some(place) = entry.waits.take() {
            self.free.push(place.at);
            self.waiting -= 1;
        }
    }

    /// Forgets all packets.
    pub(super) fn clear(&mut self) {
        self.entries.fill(Entry::default());
        let places = self.entries.len() / 2;
        self.free.clear();
        let places = u32::try_from(places).unwrap_or(u32::MAX);
        self.free.extend((0..places).rev());
        self.waiting = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_allocated_then_as_large_as_it_says() {
        for (packets, packet_bytes) in [(64, 64), (1_000, 1_472)] {
            let window = Window::new(packets, packet_bytes);
            let entries = size_of_val(&*window.entries) + window.free.len() * size_of::<u32>();
            let all = (window.bytes.len() + entries) as u64;
            assert_eq!(Window::memory_bytes(packets, packet_bytes), all);
        }
    }
}
