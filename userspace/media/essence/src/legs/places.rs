//! Memory for packets that wait.

/// Where the bytes of one packet are. It is not `Clone`: its owner gives it back, once.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "it is to be given back"]
pub(super) struct StoredPacket {
    at: u32,
    bytes: u16,
}

/// As many places as packets can wait, of the same size.
#[derive(Debug)]
pub(super) struct Places {
    /// The kernel gives memory to a place with its first use.
    bytes: Box<[u8]>,
    packet_bytes: usize,
    /// The last one used is used next, because it is in the cache.
    free: Vec<u32>,
}

impl Places {
    pub(super) fn new(places: usize, packet_bytes: usize) -> Self {
        let packet_bytes = packet_bytes.min(u16::MAX.into());
        let places = u32::try_from(places).expect("a window has fewer than 2^32 packets");
        Self {
            bytes: vec![0; places as usize * packet_bytes].into(),
            packet_bytes,
            free: (0..places).rev().collect(),
        }
    }

    /// Bytes of so many places.
    pub(super) const fn memory_bytes(places: usize, packet_bytes: usize) -> u64 {
        (places * (packet_bytes + size_of::<u32>())) as u64
    }

    /// Copies a packet. `None` if it is larger than a place, or none is free.
    pub(super) fn copy(&mut self, packet: &[u8]) -> Option<StoredPacket> {
        let bytes = u16::try_from(packet.len()).ok()?;
        if packet.len() > self.packet_bytes {
            return None;
        }
        let at = self.free.pop()?;
        let start = at as usize * self.packet_bytes;
        self.bytes[start..start + packet.len()].copy_from_slice(packet);
        Some(StoredPacket { at, bytes })
    }

    /// The bytes of a packet.
    pub(super) fn read(&self, place: &StoredPacket) -> &[u8] {
        let start = place.at as usize * self.packet_bytes;
        &self.bytes[start..start + usize::from(place.bytes)]
    }

    /// The packet waits no more.
    pub(super) fn give_back(&mut self, place: StoredPacket) {
        self.free.push(place.at);
    }

    /// Places that are free.
    pub(super) const fn free(&self) -> usize {
        self.free.len()
    }
}
