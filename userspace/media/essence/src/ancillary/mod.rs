//! Ancillary data: ANC packets of ST 291-1 in RTP packets of RFC 8331, as in ST 2110-40.
//!
//! A unit is the ANC packets of a frame or field, in the layout of [`unit`]. What they carry is named ([`content`]);
//! only timecode is decoded.

pub mod content;
mod document;
mod essence;
mod line;
mod measure;
mod receive;
pub mod rfc8331;
mod send;
pub mod st2038;
mod stream;
pub mod unit;
pub mod words;

pub use document::{AncillaryDocument, AncillaryPatch, ListedAncillary, SeenAncillary};
pub use line::{AncillaryLine, PacketLine};
pub use measure::{
    AncillaryContents, AncillaryCounter, AncillaryMonitor, AncillaryTiming, SeenKind,
};
pub use receive::{AncillaryAssembly, AncillaryReceiver, Malformed};
pub use send::{AncillaryNotSendable, AncillaryPacket, AncillaryPacketiser, AncillarySignal};
pub use stream::{AncillaryStandard, AncillaryStream, Transmission};
