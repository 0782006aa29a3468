//! The description of a frame: time stamps and missing bytes.

use crate::mapping::SharedWords;
use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// Bytes of one description in `seg`.
pub const META_BYTES: usize = 128;
/// Most missing ranges in a description; there may be more in the frame.
pub const MISSING_RANGES: usize = 4;

/// A range of bytes that never arrived; the frame has its previous contents there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MissingRange {
    /// First byte.
    pub offset: u32,
    /// Bytes.
    pub len: u32,
}

/// The daemon's description of a frame that it loans to a reader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameMeta {
    /// Number of the frame since the session's creation, from 0; gaps are frames not loaned here.
    pub number: u64,
    /// RTP timestamp (90 kHz for video, RFC 4175 §4.1).
    pub rtp_timestamp: u32,
    /// When the poller took the first packet from the port: CLOCK_MONOTONIC, ns.
    pub first_packet_ns: u64,
    /// When the poller took the last packet from the port: CLOCK_MONOTONIC, ns.
    pub last_packet_ns: u64,
    /// Packets that contributed data.
    pub packets: u32,
    /// Missing packets, by sequence number.
    pub packets_lost: u32,
    /// Bytes that never arrived; 0 exactly when the frame is complete.
    pub bytes_missing: u32,
    /// The first missing ranges; unused entries are empty. Of a converted session in its source's buffer.
    pub missing: [MissingRange; MISSING_RANGES],
    /// The essence's own mark of a unit; video: which field of a frame it is.
    pub tag: u32,
    /// The time that the RTP timestamp names: nanoseconds since the SMPTE Epoch (TAI). 0 if it is not
    /// known, because sender and daemon follow different clocks.
    pub media_time_ns: u64,
}

impl FrameMeta {
    /// Whether every byte of the frame arrived.
    pub fn is_complete(&self) -> bool {
        self.bytes_missing == 0
    }
}

/// The description in shared memory. Of a frame to fill only the client uses it: `order`, and the rest if it describes
/// the frame.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct MetaWords {
    number: AtomicU64,
    first_packet_ns: AtomicU64,
    last_packet_ns: AtomicU64,
    order: AtomicU64,
    rtp_timestamp: AtomicU32,
    packets: AtomicU32,
    packets_lost: AtomicU32,
    bytes_missing: AtomicU32,
    missing: [AtomicU64; MISSING_RANGES],
    tag: AtomicU32,
    _spare_half: AtomicU32,
    _spare: [AtomicU64; 4],
    media_time_ns: AtomicU64,
}

const _: () = assert!(size_of::<MetaWords>() == META_BYTES);
// SAFETY: atomics only, and the assertion above leaves no room for padding.
unsafe impl SharedWords for MetaWords {}

impl MetaWords {
    /// Daemon: writes the description. The publication of the frame word makes it visible. Client: describes a frame
    /// that it fills, before it is submitted.
    pub fn write(&self, meta: &FrameMeta) {
        let relaxed = Ordering::Relaxed;
        self.number.store(meta.number, relaxed);
        self.first_packet_ns.store(meta.first_packet_ns, relaxed);
        self.last_packet_ns.store(meta.last_packet_ns, relaxed);
        self.order.store(0, relaxed);
        self.rtp_timestamp.store(meta.rtp_timestamp, relaxed);
        self.packets.store(meta.packets, relaxed);
        self.packets_lost.store(meta.packets_lost, relaxed);
        self.bytes_missing.store(meta.bytes_missing, relaxed);
        self.tag.store(meta.tag, relaxed);
        self.media_time_ns.store(meta.media_time_ns, relaxed);
        for (word, range) in self.missing.iter().zip(meta.missing) {
            word.store(
                u64::from(range.offset) << 32 | u64::from(range.len),
                relaxed,
            );
        }
    }

    /// Client: reads the description of a frame that it holds.
    pub fn read(&self) -> FrameMeta {
        let relaxed = Ordering::Relaxed;
        FrameMeta {
            number: self.number.load(relaxed),
            rtp_timestamp: self.rtp_timestamp.load(relaxed),
            first_packet_ns: self.first_packet_ns.load(relaxed),
            last_packet_ns: self.last_packet_ns.load(relaxed),
            packets: self.packets.load(relaxed),
            packets_lost: self.packets_lost.load(relaxed),
            bytes_missing: self.bytes_missing.load(relaxed),
            tag: self.tag.load(relaxed),
            media_time_ns: self.media_time_ns.load(relaxed),
            missing: core::array::from_fn(|i| {
                let word = self.missing[i].load(relaxed);
                MissingRange {
                    offset: u32::try_from(word >> 32).expect("32 bits"),
                    len: u32::try_from(word & 0xffff_ffff).expect("32 bits"),
                }
            }),
        }
    }

    /// Client: marks the frame as submitted, as number `order` (from 1); 0 returns it unsent.
    pub fn submit(&self, order: u64) {
        self.order.store(order, Ordering::Relaxed);
    }

    /// Daemon: the order in which the client submitted the frame, as the client wrote it.
    pub fn submitted(&self) -> Option<u64> {
        match self.order.load(Ordering::Relaxed) {
            0 => None,
            order => Some(order),
        }
    }
}
