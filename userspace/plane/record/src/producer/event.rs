//! One event: a captured packet.

/// Most captured bytes of a packet: pcapng readers accept this without an option.
pub const MAX_SNAP_LENGTH: u32 = 262_144;

/// Events of a producer that were not recorded between an event and its predecessor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Missed {
    pub(crate) ring_full: u64,
    pub(crate) disk_full: u64,
    pub(crate) disk_fault: u64,
}

impl Missed {
    pub(crate) const fn total(&self) -> u64 {
        self.ring_full + self.disk_full + self.disk_fault
    }
}

/// An event read from a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Time of the offer, nanoseconds since 1970 (UTC).
    pub(crate) at_ns: u64,
    /// Length of the packet on the wire, bytes.
    pub(crate) wire_len: u32,
    /// Events missing before it.
    pub(crate) missed: Missed,
    /// Captured bytes, at most `wire_len` and at most the snap length.
    pub(crate) bytes: &'a [u8],
}
