//! Sending an essence: units of memory in, packets out, each at its time.

use std::ops::Range;

/// Makes the packets of one flow's units and says when each is due.
///
/// Units are sent in *slots*, counted since the SMPTE Epoch (ST 2059-1). Times of slots are TAI in
/// nanoseconds; `now_ns` is another clock's, and TAI is `ahead_ns` ahead of it.
pub trait Packetise {
    /// One packet.
    type Packet<'a>: PacketPlan
    where
        Self: 'a;

    /// Whether a unit is sent in each slot, also if no source has one: one without content.
    fn fills_slots(&self) -> bool {
        false
    }

    /// A unit begins, or begins again. An essence whose packets depend on the contents reads them: `read` gives the
    /// bytes from an offset on. A client can change them at any time.
    fn begin(&mut self, _tag: u32, _read: impl FnMut(usize, &mut [u8])) {}

    /// Tag of the unit that goes in a slot.
    fn tag_of_slot(&self, slot: u64) -> u32;

    /// Tag of the unit with this number, from 0, that one source gives.
    fn tag_of_unit(&self, number: u64) -> u32;

    /// Packets of a unit with this tag; if they depend on the contents, of that which began last.
    fn packets(&self, tag: u32) -> u32;

    /// Packet `index` of a unit with this tag; `None` from [`Self::packets`] on.
    fn packet(&self, tag: u32, index: u32) -> Option<Self::Packet<'_>>;

    /// RTP timestamp of the slot: the low 32 bits of the exact tick (ST 2110-10).
    fn timestamp(&self, slot: u64) -> u32;

    /// When the first packet of the slot is due.
    fn slot_start(&self, slot: u64) -> u64;

    /// The slot whose time contains `tai_ns`.
    fn slot_at(&self, tai_ns: u64) -> u64;

    /// The first packet of the slot that may not go at `now_ns`; those before `next` are gone.
    fn ready(&self, slot: u64, next: u32, now_ns: u64, ahead_ns: u64) -> u32;

    /// `packets` went at `now_ns`.
    fn sent(&mut self, packets: u32, now_ns: u64);

    /// When [`Self::ready`] next has a packet after those before `next`, by the clock of `now_ns`.
    fn next_ns(&self, slot: u64, next: u32, ahead_ns: u64) -> u64;

    /// Whether the packets from `next` on, sent from `now_ns` on as densely as the sender may, would end after the time
    /// by which the next slot must begin.
    fn is_over(&self, slot: u64, _next: u32, now_ns: u64, ahead_ns: u64) -> bool {
        now_ns.saturating_add(ahead_ns) >= self.slot_start(slot + 1)
    }

    /// The steps in which a unit with this tag is filled: lines, samples, or bytes.
    fn steps(&self, tag: u32) -> u32;

    /// Steps from the unit's beginning that must be there before packet `index` can go.
    fn needs(&self, tag: u32, index: u32) -> u32;

    /// Whether all of a unit must be there before [`Self::begin`], which reads it.
    fn reads_first(&self) -> bool {
        false
    }
}

/// One packet of a unit.
pub trait PacketPlan {
    /// Length of the whole RTP packet in bytes.
    fn bytes(&self) -> usize;

    /// Writes the RTP header and the essence's own ones to the start of `out` and returns their length in
    /// bytes. `sequence` is the 32-bit sequence number, of which RTP has the low half.
    ///
    /// # Panics
    /// If `out` is shorter than the headers.
    fn write_headers(&self, stream: &StreamHeader, sequence: u32, out: &mut [u8]) -> usize;

    /// Visits the ranges of the unit's bytes that it carries, in order. Adjacent ones are not joined.
    fn for_each_range(&self, visit: impl FnMut(Range<usize>));
}

/// Common RTP header fields of a unit's packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHeader {
    /// Payload type, 0 to 127.
    pub payload_type: u8,
    /// The unit's timestamp.
    pub timestamp: u32,
    /// The sender's synchronisation source.
    pub ssrc: u32,
}

/// The built-in test signal of an essence.
pub trait TestSignal {
    /// Number of the next unit, from 0.
    fn number(&self) -> u64;

    /// Begins the next unit, or begins it again.
    fn start(&mut self);

    /// For [`Packetise::begin`]: the bytes of the unit from `offset` on. Of a unit that [`Self::fill`] makes there
    /// are none.
    fn read(&self, _offset: usize, out: &mut [u8]) {
        out.fill(0);
    }

    /// The bytes of `packet`, the next one of the unit.
    fn fill(&mut self, packet: &impl PacketPlan, data: &mut [u8]);

    /// The unit is sent.
    fn finish(&mut self);
}
