//! Payloads of RTP packets with ANC packets: RFC 8331.

mod payload;

pub use payload::{HEADER_BYTES, Payload, PayloadReject, WirePacket, wire_bytes};
