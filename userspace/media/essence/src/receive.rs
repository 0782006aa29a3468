//! Receiving an essence: packets in, units of memory out.

use crate::rtp::{PayloadTypes, RtpHeader};

/// Most ranges in a report; there may be more.
pub const LISTED_RANGES: usize = 4;

/// Most reasons for which an essence calls packets malformed.
pub const MOST_REASONS: usize = 16;

/// The RTP packets of one session in a burst, in the order of their arrival.
#[derive(Debug, Clone, Copy)]
pub struct Run<'a> {
    /// Each from its RTP header on.
    pub packets: &'a [&'a [u8]],
    /// When the burst was received, in nanoseconds of a monotonic clock.
    pub now_ns: u64,
}

/// A range of a unit's bytes that never arrived.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MissingRange {
    /// First byte.
    pub offset: usize,
    /// Bytes.
    pub len: usize,
}

/// A finished unit: what one buffer of a session holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitReport {
    /// Its RTP timestamp.
    pub rtp_timestamp: u32,
    /// Whether every byte arrived, and the source's unit is not larger than the session's.
    pub complete: bool,
    /// Bytes that did not arrive; 0 if complete, or if only the format is wrong.
    pub bytes_missing: usize,
    /// First ranges that did not arrive; see [`Self::missing`].
    pub listed: [MissingRange; LISTED_RANGES],
    /// Number of entries of [`Self::listed`] in use.
    pub listed_count: usize,
    /// Different packets of it that arrived.
    pub packets_received: u32,
    /// Missing sequence numbers between the first and the last packet that may belong to it; 0 if
    /// complete. If packets at an edge were lost, their unit is a guess.
    pub packets_lost: u32,
    /// Packets that arrived again during assembly.
    pub duplicates: u32,
    /// When its first packet was pushed, in nanoseconds of the caller's clock.
    pub first_packet_ns: u64,
    /// When its last packet was pushed, in nanoseconds of the caller's clock.
    pub last_packet_ns: u64,
    /// Whether the packet with the marker arrived.
    pub marker_seen: bool,
    /// Whether packets of it, or of the time before it, do not fit the format: the source sends
    /// another one.
    pub wrong_format: bool,
    /// The essence's own mark of its units; opaque to all other code.
    pub tag: u32,
}

impl UnitReport {
    /// First ranges that did not arrive.
    #[must_use]
    pub fn missing(&self) -> &[MissingRange] {
        &self.listed[..self.listed_count]
    }
}

/// A unit while it is received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnitProgress {
    /// Its RTP timestamp.
    pub rtp_timestamp: u32,
    /// When its first packet was pushed, in nanoseconds of the caller's clock.
    pub first_packet_ns: u64,
    /// As [`UnitReport::tag`].
    pub tag: u32,
    /// So many bytes from its first on came, are right and are not written again. Whole lines, samples or what else the
    /// essence has.
    pub bytes: usize,
}

/// Destination of the units' bytes: owns the memory.
pub trait Sink {
    /// Handle of one unit's memory between `open` and `finish`.
    type Slot: Copy;

    /// Memory for a new unit. With `None` the unit's packets are counted and skipped.
    fn open(&mut self, rtp_timestamp: u32) -> Option<Self::Slot>;

    /// Writes bytes at `offset` of the unit; `offset + bytes.len()` is at most the format's unit size.
    fn write(&mut self, slot: Self::Slot, offset: usize, bytes: &[u8]);

    /// Whether [`Self::progress`] is to be called.
    #[inline]
    fn follows(&self) -> bool {
        false
    }

    /// How far a unit in assembly stands, after packets of it. Not called for one that is of another format.
    fn progress(&mut self, _slot: Self::Slot, _unit: &UnitProgress) {}

    /// Nothing more is written to `slot`. Units finish in the order of their timestamps.
    fn finish(&mut self, slot: Self::Slot, report: &UnitReport);

    /// `len` bytes at `offset`, which may be beyond the unit, will probably be written soon.
    #[inline]
    fn fetch(&self, _slot: Self::Slot, _offset: usize, _len: usize) {}

    /// This word will probably be changed soon.
    #[inline]
    fn fetch_word(&self, _word: &u64) {}
}

/// Writes what of `bytes`, at `offset` of a unit, lies behind the first `stands` bytes: a reader has those.
#[cold]
#[inline(never)]
pub(crate) fn write_behind<S: Sink>(
    stands: usize,
    slot: S::Slot,
    (offset, bytes): (usize, &[u8]),
    sink: &mut S,
) {
    let skipped = stands.saturating_sub(offset).min(bytes.len());
    if skipped < bytes.len() {
        sink.write(slot, offset + skipped, &bytes[skipped..]);
    }
}

/// Makes units from the packets of one flow, which may come out of order, twice, or never. Allocates only
/// in its constructor.
pub trait Depacketise<S: Copy> {
    /// Handles packets. A malformed one changes no unit's bytes and not the source.
    fn push(&mut self, run: &Run<'_>, sink: &mut impl Sink<Slot = S>);

    /// Whether a packet of the payload type would be malformed, as far as it and the unit in assembly show.
    fn refuses(&self, rtp: &RtpHeader, payload: &[u8]) -> bool;

    /// Prefetches what so many packets will probably change.
    fn fetch(&self, packets: usize, sink: &impl Sink<Slot = S>);

    /// Closes units that had no packet for too long.
    fn expire(&mut self, now_ns: u64, sink: &mut impl Sink<Slot = S>);

    /// When [`Self::expire`] next has work; `None` if no unit is in assembly.
    fn deadline(&self) -> Option<u64>;

    /// Closes the units in assembly: the stream has ended.
    fn close(&mut self, sink: &mut impl Sink<Slot = S>);

    /// Forgets the units in assembly and the source, because the session pauses. `discard` gets the memory
    /// of each unfinished unit. The counters stay.
    fn reset(&mut self, discard: impl FnMut(S));

    /// Units in assembly.
    fn under_way(&self) -> usize;

    /// From now on packets have one of these RTP payload types. Which leg has which, [`Merge`](crate::legs::Merge)
    /// checks.
    fn set_payload_types(&mut self, types: PayloadTypes);

    /// The synchronisation source that is followed, after the first packet.
    fn ssrc(&self) -> Option<u32>;

    /// The last one that was refused because the followed one sends.
    fn other_ssrc(&self) -> Option<u32>;

    /// Counters since the constructor.
    fn stats(&self) -> &ReceiveStats;
}

/// Malformed packets by reason, in the order of [`Essence::REASONS`](crate::Essence::REASONS).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MalformedCounts([u64; MOST_REASONS]);

impl MalformedCounts {
    /// Packets rejected for `reason`.
    #[must_use]
    pub fn get(&self, reason: impl Into<usize>) -> u64 {
        self.0[reason.into()]
    }

    /// Packets rejected for any reason.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The count of each reason; those that the essence does not have are 0.
    pub fn iter(&self) -> impl Iterator<Item = u64> {
        self.0.into_iter()
    }

    /// One less: the packet counts elsewhere.
    pub(crate) const fn remove(&mut self, reason: usize) {
        self.0[reason] = self.0[reason].saturating_sub(1);
    }

    /// One more.
    pub fn add(&mut self, reason: impl Into<usize>) {
        self.0[reason.into()] += 1;
    }
}

/// Counters since a receiver was made. Every packet counts in exactly one of `accepted`,
/// `malformed`, `other_ssrc_packets`, `duplicate`, `late` and `no_buffer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiveStats {
    /// Packets pushed.
    pub packets: u64,
    /// Bytes of these, RTP headers included.
    pub bytes: u64,
    /// Packets whose bytes went into a unit.
    pub accepted: u64,
    /// Packets that do not match the flow and format.
    pub malformed: MalformedCounts,
    /// Packets of another synchronisation source, while the current one sends.
    pub other_ssrc_packets: u64,
    /// Packets whose sequence number had already arrived.
    pub duplicate: u64,
    /// Packets of a unit that was already closed, or of none that can be.
    pub late: u64,
    /// Of these, packets where the stream cannot be yet by timestamp or sequence number, as long as no other agrees.
    pub astray: u64,
    /// Packets of another length than the session's, which another packet confirmed (also counted elsewhere).
    pub other_length: u64,
    /// Samples of the last one of these; 0 if none came.
    pub other_samples: u32,
    /// Packets of a unit without memory.
    pub no_buffer: u64,
    /// Packets after one with a higher sequence number (also counted elsewhere).
    pub reordered: u64,
    /// Sequence numbers missing when their unit was closed.
    pub lost: u64,
    /// Of these, numbers that arrived later.
    pub lost_arrived: u64,
    /// Changes of the synchronisation source.
    pub ssrc_changes: u64,
    /// Times that the stream began anew: with another source, or other sequence numbers or timestamps.
    pub restarts: u64,
    /// Units finished complete.
    pub units_complete: u64,
    /// Units finished incomplete.
    pub units_incomplete: u64,
    /// Of the incomplete units, those of a source that sends another format.
    pub units_wrong_format: u64,
    /// Units without memory.
    pub units_no_buffer: u64,
    /// Units of which no packet had the marker, though none was missing.
    pub units_without_marker: u64,
    /// Units with packets behind the one with the marker: set too early, or twice.
    pub units_past_marker: u64,
}
