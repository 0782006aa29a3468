//! Payloads of RTP packets with ANC packets: RFC 8331.

mod payload;
mod write;

pub use payload::{HEADER_BYTES, Payload, PayloadReject, WirePacket, wire_bytes};
pub use write::write;
pub(crate) use write::{begin, push};
