//! Payloads of RTP packets with JPEG XS: RFC 9134.

mod payload;

pub use payload::{HEADER_BYTES, PayloadHeader, PayloadReject};
