//! Why a capture is not exported.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use jpeg_encoder::EncodingError;
use onair_pixels::NoFrames;
use onair_pixels::export::NotWritten;
use onair_sdp::{NoFormat, NoneChosen, SdpError};

use super::{REFUSED, USAGE};

/// Why nothing, or not all, was exported.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ExportError {
    #[error("cannot read {}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("{} is no manifest of a recording: {error}", path.display())]
    Manifest {
        path: PathBuf,
        error: serde_json::Error,
    },
    #[error("{} has no manifest of a recording: give the manifest or a packet file", .0.display())]
    EmptyFolder(PathBuf),
    #[error("{} has several recordings: give one of {}", folder.display(), names.join(", "))]
    Several { folder: PathBuf, names: Vec<String> },
    #[error(
        "{} has no manifest beside it: describe the stream with --sdp, or give the manifest",
        .0.display()
    )]
    NoManifest(PathBuf),
    #[error("recording {0} has not ended: stop it with `onairctl record stop {0}`")]
    Running(String),
    #[error("the manifest of {0} has no session: describe the stream with --sdp")]
    NoFormat(String),
    #[error("the manifest of {name} has an invalid session format: {error}")]
    Format {
        name: String,
        error: serde_json::Error,
    },
    #[error("{}: {error}", path.display())]
    Sdp { path: PathBuf, error: SdpError },
    #[error("{} describes no stream to {flow}", path.display())]
    NoStream { path: PathBuf, flow: SocketAddr },
    #[error("{}: {error}, or name its destination with --flow", path.display())]
    NoneChosen { path: PathBuf, error: NoneChosen },
    #[error("the stream to {destination} is not exported: {error}")]
    Stream {
        destination: SocketAddr,
        error: NoFormat,
    },
    #[error(transparent)]
    NotWritten(#[from] NotWritten),
    #[error("{0} has no samples: only audio is exported as wav")]
    NoSamples(&'static str),
    #[error("{0}: only video is exported as mjpeg")]
    NoPictures(NoFrames),
    #[error("floating point samples cannot be shown: mjpeg is not made of them")]
    Float,
    #[error("a picture cannot be made: {0}")]
    Picture(EncodingError),
    #[error("{0} has no ANC packets: only ancillary data is exported as jsonl")]
    NoAncillary(&'static str),
    #[error("{} already exists: give another --output, or --force", .0.display())]
    Exists(PathBuf),
    #[error(
        "{} exists: another export writes it, or was interrupted; remove it, or give --force",
        .0.display()
    )]
    Part(PathBuf),
    #[error("{} is one of the files to be exported: give another --output", .0.display())]
    OverInput(PathBuf),
    #[error("no complete frame{0}: nothing was written")]
    NoFrame(String),
    #[error("cannot write {}: {error}", path.display())]
    Write { path: PathBuf, error: io::Error },
}

impl ExportError {
    /// The exit code.
    pub(crate) const fn code(&self) -> u8 {
        match self {
            Self::Write { .. } | Self::NoFrame(_) | Self::Running(_) => REFUSED,
            _ => USAGE,
        }
    }
}
