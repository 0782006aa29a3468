//! JPEG XS: codestreams of ISO/IEC 21122 in RTP packets of RFC 9134, as in ST 2110-22.
//!
//! A unit is a frame or field: its boxes and its codestream, as they are in the packets. Nothing is coded or decoded;
//! only the headers are read ([`codestream`]).

pub mod codestream;
mod document;
mod essence;
mod measure;
mod receive;
pub mod rfc9134;
mod send;
mod stream;
pub mod tag;

pub use document::{JpegXsDocument, JpegXsPatch, ListedJpegXs, SeenJpegXs};
pub use measure::{JpegXsMonitor, JpegXsTiming};
pub use receive::{CodestreamAssembly, CodestreamReceiver, Malformed};
pub use rfc9134::PacketMode;
pub use send::{CodestreamPacket, CodestreamPacketiser, CodestreamPattern, JpegXsNotSendable};
pub use stream::{CompressedStandard, JpegXsStream};
