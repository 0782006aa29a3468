//! Why no frame comes.

use std::io;

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
