//! Units as RTP packets, each at its time, and the test signal.

mod packetiser;
mod signal;

use crate::essence::OfField;

pub use packetiser::{AncillaryPacket, AncillaryPacketiser};
pub use signal::AncillarySignal;

/// RTP packets are too small for an ANC packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "RTP packets of {given} bytes are too small for an ANC packet: {least} are needed, use a port with a larger MTU"
)]
pub struct AncillaryNotSendable {
    /// Bytes of a packet.
    pub given: usize,
    /// Bytes that are needed.
    pub least: usize,
}

impl OfField for AncillaryNotSendable {
    fn field(&self) -> Option<&'static str> {
        None
    }
}
