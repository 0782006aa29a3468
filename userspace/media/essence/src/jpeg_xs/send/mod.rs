//! Units as RTP packets, each at its time, and the test signal.

mod packetiser;
mod pattern;

use crate::essence::OfField;
use crate::video::SenderType;

pub use packetiser::{CodestreamPacket, CodestreamPacketiser};
pub use pattern::CodestreamPattern;

/// Why a format of JPEG XS cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JpegXsNotSendable {
    /// RTP packets are too small.
    #[error(
        "RTP packets of {given} bytes are too small for JPEG XS: {least} are needed, use a port with a larger MTU"
    )]
    Packets {
        /// Bytes of a packet.
        given: usize,
        /// Bytes that are needed.
        least: usize,
    },
    /// A sender has one order.
    #[error("a sender sends slices in order: leave it out")]
    OutOfOrder,
    /// The sender type allows fewer packets at once.
    #[error(
        "CMAX {given} is above what a sender of type {sender} may have with this stream, {most}: give 1 to {most} or \
         leave it out (ST 2110-21 §6.6.1)"
    )]
    Cmax {
        /// The wanted CMAX.
        given: u32,
        /// CMAX of the type.
        most: u64,
        /// The type.
        sender: SenderType,
    },
    /// The pattern does not fit.
    #[error(
        "{given} bytes are too few for the headers and {slices} slices of the pattern: give {least} or more"
    )]
    Pattern {
        /// Bytes of a unit.
        given: u32,
        /// Slices of a unit.
        slices: u32,
        /// Bytes that are needed.
        least: u64,
    },
}

impl OfField for JpegXsNotSendable {
    fn field(&self) -> Option<&'static str> {
        match self {
            Self::Packets { .. } => None,
            Self::OutOfOrder => Some("jpeg_xs.out_of_order"),
            Self::Cmax { .. } => Some("jpeg_xs.cmax"),
            Self::Pattern { .. } => Some("jpeg_xs.bytes"),
        }
    }
}
