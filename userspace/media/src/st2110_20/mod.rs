//! ST 2110-20 payloads: which bytes of a frame a packet carries (RFC 4175 §4, ST 2110-20 §6).
//!
//! [`payload`] reads and checks what arrives, [`packetiser`] cuts frames into packets. Neither
//! holds bytes of a frame.

pub mod packetiser;
pub mod payload;

pub use packetiser::{Packet, PacketiseError, Packetiser};
pub use payload::{PayloadReject, Segment, Segments, SrdHeader};

/// Bytes of the extended sequence number in front of the SRD headers (RFC 4175 §4.2).
pub const EXTENDED_SEQUENCE_OCTETS: usize = 2;

/// Bytes of one sample row data header (RFC 4175 §4.3).
pub const SRD_HEADER_OCTETS: usize = 6;

/// Most SRD headers that we send in a packet (ST 2110-20 §6.2 allows three).
pub const MAX_SENT_SRDS: usize = 3;

/// Most SRD headers that we read in a packet: RFC 4175 has no limit, small rasters use many.
pub const MAX_READ_SRDS: usize = 16;

/// ST 2110-10 §6.3's standard UDP size limit, in bytes, UDP header included.
pub const STANDARD_UDP_OCTETS: usize = 1460;

/// Bytes of the RTP packet that fit in [`STANDARD_UDP_OCTETS`].
pub const STANDARD_RTP_OCTETS: usize = STANDARD_UDP_OCTETS - crate::udp::HEADER_OCTETS;
