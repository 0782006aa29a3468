//! What a session shall be: the document as it is sent, and the same thing checked.
//!
//! [`SpecDocument`] takes anything of the right shape; [`SessionSpec`] exists only when every
//! field holds. The step between them names every wrong field, not only the first.

mod check;
mod document;
mod error;
mod flow;
mod video;

pub use document::{FlowDocument, SpecDocument, VideoDocument};
pub use error::{SpecError, SpecErrors};
pub use flow::{Flow, FlowSource};
pub use video::{Depth, FrameRate, VideoFormat};

use serde::{Deserialize, Serialize};

use crate::id::SessionName;

/// Frames that an attachment may have lent at once when the request does not say.
pub const DEFAULT_QUOTA: u32 = 4;
/// Highest quota that may be asked for, in frames.
pub const MAX_QUOTA: u32 = 64;
/// Attachments that a session admits at once when the request does not say.
pub const DEFAULT_ATTACHMENTS: u32 = 4;
/// Highest number of attachments that may be asked for.
pub const MAX_ATTACHMENTS: u32 = 128;
/// Highest [`SessionSpec::priority`].
pub const MAX_PRIORITY: u8 = 100;
/// [`SessionSpec::priority`] when absent.
pub const DEFAULT_PRIORITY: u8 = 50;
/// Longest [`SessionSpec::duration_ms`]: a year of 366 days.
pub const MAX_DURATION_MS: u64 = 366 * 24 * 3600 * 1000;
/// RTP payload type when the request does not say: the first of the dynamic ones.
pub const DEFAULT_PAYLOAD_TYPE: u8 = 96;

/// Which way the packets go, seen from this host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the wire to clients.
    Receive,
    /// From clients, or the built-in pattern, to the wire.
    Send,
}

impl std::fmt::Display for Direction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Receive => "receive",
            Self::Send => "send",
        })
    }
}

/// Where the frames of a send session come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// From attached clients.
    Client,
    /// From the built-in moving pattern: `ONAIRPAT`, frame number (u64 LE, from 0), a picture that
    /// moves, and xxh3-64 (LE) of everything before it in the last 8 bytes.
    Pattern,
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Pattern => "pattern",
        })
    }
}

/// A session's specification, checked. Reads from and writes to JSON as [`SpecDocument`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SpecDocument", try_from = "SpecDocument")]
pub struct SessionSpec {
    /// Its name.
    pub name: SessionName,
    /// Which way the packets go.
    pub direction: Direction,
    /// Name of the port in the daemon's configuration: 1 to 63 of `[A-Za-z0-9._-]`.
    pub port: String,
    /// Raster, rate and depth.
    pub video: VideoFormat,
    /// Addresses and payload type.
    pub flow: Flow,
    /// `Some` for a send session, `None` for a receive session.
    pub source: Option<Source>,
    /// Frames that an attachment may have lent at once: 1 to [`MAX_QUOTA`].
    pub quota: u32,
    /// Attachments at once: 1 to [`MAX_ATTACHMENTS`].
    pub max_attachments: u32,
    /// Place in the daemon's end, 0 to [`MAX_PRIORITY`]: those of a lower number are stopped and
    /// destroyed before it.
    pub priority: u8,
    /// It is stopped so many milliseconds after its creation; `None`: never by itself.
    pub duration_ms: Option<u64>,
    /// Comes back when the daemon starts anew, until somebody destroys it.
    pub persistent: bool,
}
