//! ST 2110-20 payloads: the bytes of a frame that a packet carries (RFC 4175 §4, ST 2110-20 §6).
//!
//! [`payload`] parses and checks received packets, [`packetiser`] splits frames into packets.
//! Neither stores bytes of a frame.

pub mod packetiser;
pub mod payload;

pub use packetiser::{Packet, PacketiseError, Packetiser};
pub use payload::{PayloadReject, Segment, Segments, SrdHeader, SrdHeaders};

/// Bytes of the extended sequence number before the SRD headers (RFC 4175 §4.2).
pub const EXTENDED_SEQUENCE_BYTES: usize = 2;

/// Bytes of one sample row data header (RFC 4175 §4.3).
pub const SRD_HEADER_BYTES: usize = 6;

/// Most SRD headers in a sent packet (ST 2110-20 §6.2 allows three).
pub const MAX_SENT_SRDS: usize = 3;

/// Most SRD headers in a received packet: RFC 4175 has no limit, and small rasters use many.
pub const MAX_READ_SRDS: usize = 16;

/// Standard UDP size limit of ST 2110-10 §6.3 in bytes, UDP header included.
pub const STANDARD_UDP_BYTES: usize = crate::STANDARD_MAX_UDP as usize;

/// Largest RTP packet within [`STANDARD_UDP_BYTES`], bytes.
pub const STANDARD_RTP_BYTES: usize = STANDARD_UDP_BYTES - onair_net::udp::HEADER_BYTES;

/// Extended UDP size limit of ST 2110-10 §6.4 in bytes, UDP header included.
pub const EXTENDED_UDP_BYTES: usize = crate::EXTENDED_MAX_UDP as usize;

/// Largest RTP packet within [`EXTENDED_UDP_BYTES`], bytes.
pub const EXTENDED_RTP_BYTES: usize = EXTENDED_UDP_BYTES - onair_net::udp::HEADER_BYTES;
