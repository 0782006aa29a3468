//! Essences that a session may carry: each is a folder with its format and the rules of the format, its packets, its
//! timing and its test pattern.
//!
//! Everything here is a function of values, bytes and times that the caller passes: only constructors
//! allocate, and no input causes a panic. Documents of the API, sockets, ports and clocks do not belong
//! here, nor anything of the daemon.
#![forbid(unsafe_code)]

// Of attributes in `document!`.
extern crate self as onair_essence;

pub mod ancillary;
pub mod audio;
mod bits;
mod document;
mod essence;
pub mod jpeg_xs;
pub mod legs;
pub mod measure;
pub mod media_time;
mod pace;
mod reasons;
pub mod receive;
mod registry;
pub mod rtp;
pub mod send;
mod sequence;
mod source;
pub mod survey;
pub mod units;
pub mod video;

pub use document::{invalid, objects, rows, whole};
pub use essence::{Document, Essence, Listed, OfField, Patch, Seen};
pub use registry::{
    Depacketiser, EssenceKind, Format, FormatDocument, ListedFormat, Monitor, NotSendable, Packet,
    Packetiser, SeenFormat, SentPacket, Signal, TimingDocument,
};

/// Largest supported unit, in bytes.
pub const MAX_UNIT_BYTES: u32 = 256 << 20;

/// Standard UDP size limit of ST 2110-10 §6.3 in bytes, UDP header included.
pub const STANDARD_MAX_UDP: u16 = 1460;
/// Extended UDP size limit of ST 2110-10 §6.4 in bytes, UDP header included.
pub const EXTENDED_MAX_UDP: u16 = 8960;
