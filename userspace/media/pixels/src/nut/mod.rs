//! NUT, the container of FFmpeg in which frames have timestamps: version 3, as far as uncompressed frames need it.
//!
//! [`NutWriter`] makes the bytes around frames, [`NutReader`] finds the frames in what another program wrote. No
//! frame is copied. Nothing here knows pixel formats but by their tags.

mod code;
mod info;
mod main_header;
mod read;
mod write;

/// Why no frame comes.
#[derive(Debug, thiserror::Error)]
pub enum NutError {
    /// The input fails.
    #[error("cannot read the input: {0}")]
    Read(#[source] io::Error),
    /// It is something else.
    #[error("the input is not NUT: give its --format, or let ffmpeg write `-f nut`")]
    NotNut,
    /// Its version.
    #[error("the input is NUT of version {0}, and versions 2 and 3 are read")]
    Version(u64),
    /// The input ends inside a packet.
    #[error("the input ends in the middle of a frame")]
    Ends,
    /// A value that no writer makes.
    #[error("the input is damaged: {0}")]
    Damaged(&'static str),
    /// There is no stream of pictures.
    #[error("the input has no video")]
    NoVideo,
    /// A frame of another size.
    #[error("a frame of the input has {have} bytes, and {need} are needed")]
    Bytes {
        /// Its bytes.
        have: u64,
        /// Bytes of a frame.
        need: usize,
    },
}

impl From<io::Error> for NutError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::Ends,
            _ => Self::Read(error),
        }
    }
}

#[cfg(test)]
mod tests;

use std::io;

pub use read::NutReader;
pub use write::{NutKind, NutStream, NutWriter};

/// A stream of frames of one size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NutVideo {
    /// Pixels.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// FFmpeg's codec tag.
    pub tag: [u8; 4],
}

const FILE_ID: &[u8; 25] = b"nut/multimedia container\0";
const VERSION: u64 = 3;
/// Most bytes between two synchronisation points, unless a frame is larger.
const MAX_DISTANCE: u64 = 32_768;
/// A packet beyond this has a checksum of its start.
const LONG_PACKET: u64 = 4096;

/// First bytes of packets that are no frame; all begin with `N`.
mod start {
    pub(super) const MAIN: u64 = 0x4e4d_7a56_1f5f_04ad;
    pub(super) const STREAM: u64 = 0x4e53_1140_5bf2_f9db;
    pub(super) const SYNC_POINT: u64 = 0x4e4b_e4ad_eeca_4569;
    pub(super) const INFO: u64 = 0x4e49_ab68_b596_ba78;
    pub(super) const INDEX: u64 = 0x4e58_dd67_2f23_e64e;
}

/// Flags of a frame.
mod flag {
    pub(super) const KEY: u64 = 1;
    pub(super) const CODED_PTS: u64 = 8;
    pub(super) const STREAM_ID: u64 = 16;
    pub(super) const SIZE_MSB: u64 = 32;
    pub(super) const CHECKSUM: u64 = 64;
    pub(super) const RESERVED: u64 = 128;
    pub(super) const SIDE_DATA: u64 = 256;
    pub(super) const HEADER_INDEX: u64 = 1024;
    pub(super) const MATCH_TIME: u64 = 2048;
    pub(super) const CODED: u64 = 4096;
    pub(super) const INVALID: u64 = 8192;
}
