//! One event: a packet as it was captured.

/// Most bytes that are captured of a packet: what pcapng readers take without asking.
pub const MAX_SNAP_LENGTH: u32 = 262_144;

/// Events of its producer that were not recorded between an event and the one before it.
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

/// An event as it comes out of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// When it was handed in, in nanoseconds since 1970 (UTC).
    pub(crate) at_ns: u64,
    /// Bytes that the packet had.
    pub(crate) wire_len: u32,
    /// What is missing before it.
    pub(crate) missed: Missed,
    /// What was captured, at most `wire_len` and at most the snap length.
    pub(crate) bytes: &'a [u8],
}
