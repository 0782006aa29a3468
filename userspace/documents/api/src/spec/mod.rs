//! The session specification: the document as received, and the checked form.
//!
//! [`SpecDocument`] accepts anything of the right shape. [`SessionSpec`] exists only if every field
//! is valid. The conversion reports every invalid field, not only the first.

mod bounds;
mod check;
mod convert;
mod document;
mod flow;
mod invalid;
mod legs;
mod new_session;
mod note;
mod patch;

pub use convert::Convert;
pub use document::FlowDocument;
pub use flow::{DEFAULT_DSCP, DEFAULT_TTL, Flow, FlowSource, MAX_DSCP, MAX_SOURCES, SecondLeg};
pub use legs::{LegDocument, LegPatch};
pub use new_session::{
    ConvertedSession, NewSession, NewSessionDocument, NewSessionError, SpecDocument,
};
pub use note::DescriptionNote;
pub use onair_essence::invalid::{SpecError, SpecErrors};
pub use patch::{FlowPatch, SessionPatch};

use onair_essence::Format;
use onair_essence::media_time::RtpClock;
use serde::{Deserialize, Serialize};

use crate::id::SessionName;
use crate::text::texts;

/// Default of [`SessionSpec::quota`], in frames.
pub const DEFAULT_QUOTA: u32 = 4;
/// Highest quota, in frames.
pub const MAX_QUOTA: u32 = 64;
/// Default of [`SessionSpec::max_attachments`].
pub const DEFAULT_ATTACHMENTS: u32 = 4;
/// Highest number of attachments.
pub const MAX_ATTACHMENTS: u32 = 128;
/// Highest [`SessionSpec::priority`].
pub const MAX_PRIORITY: u8 = 100;
/// [`SessionSpec::priority`] when absent.
pub const DEFAULT_PRIORITY: u8 = 50;
/// Longest [`SessionSpec::duration_ms`]: a year of 366 days.
pub const MAX_DURATION_MS: u64 = 366 * 24 * 3600 * 1000;
/// Longest [`SessionSpec::frame_timeout_ms`], in milliseconds.
pub const MAX_FRAME_TIMEOUT_MS: u32 = 10_000;
/// Default RTP payload type: the first of the dynamic range.
pub const DEFAULT_PAYLOAD_TYPE: u8 = 96;
/// Most [`SessionSpec::notes`].
pub const MAX_NOTES: usize = 32;
/// Most bytes of what a controller's bridge keeps with a session.
pub const MAX_CONNECTED: usize = 16 << 10;

/// Direction of the packets, seen from this host, or that there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the wire to clients.
    Receive,
    /// From clients, or the built-in pattern, to the wire.
    Send,
    /// From one client of this host to others, without packets.
    Local,
}

texts! { Direction: Receive "receive", Send "send", Local "local" }

/// Source of the frames of a send session.
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

texts! { Source: Client "client", Pattern "pattern" }

/// A checked session specification. In JSON it is a [`SpecDocument`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "SpecDocument", try_from = "SpecDocument")]
pub struct SessionSpec {
    /// Its name.
    pub name: SessionName,
    /// Direction of the packets.
    pub direction: Direction,
    /// Name of the port in the daemon's configuration: 1 to 63 of `[A-Za-z0-9._-]`. A local session has none: empty.
    pub port: String,
    /// Format of its units, and how they are sent.
    pub format: Format,
    /// Addresses and payload type. A local session has [`Flow::none`].
    pub flow: Flow,
    /// The session whose frames are converted, and to what; `None` for a session of packets.
    pub convert: Option<Convert>,
    /// `Some` for a send session, `None` for a receive session.
    pub source: Option<Source>,
    /// Frames that one attachment may hold on loan at a time: 1 to [`MAX_QUOTA`].
    pub quota: u32,
    /// Attachments at a time: 1 to [`MAX_ATTACHMENTS`].
    pub max_attachments: u32,
    /// Shutdown priority, 0 to [`MAX_PRIORITY`]: the daemon stops and destroys lower numbers first.
    pub priority: u8,
    /// Receive: a frame is closed as incomplete after this many milliseconds without a packet of it,
    /// 1 to [`MAX_FRAME_TIMEOUT_MS`]; `None`: after three frame times, at least 100 ms.
    pub frame_timeout_ms: Option<u32>,
    /// The daemon stops the session this many milliseconds after its creation; `None`: the daemon
    /// does not stop it.
    pub duration_ms: Option<u64>,
    /// Restored when the daemon restarts, unless a user destroyed it.
    pub persistent: bool,
    /// Parts of its description that the session does not have: at most [`MAX_NOTES`].
    pub notes: Vec<DescriptionNote>,
    /// Placed also on a poller that has no room for it.
    pub overcommit: bool,
    /// Destroyed when the client that created it has gone.
    pub ends_with_creator: bool,
    /// A controller's connection, in words of that controller's bridge: at most [`MAX_CONNECTED`] bytes.
    pub connected: Option<String>,
}

impl SessionSpec {
    /// Whether a client of this host fills the frames that others read.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.direction == Direction::Local
    }

    /// Whether it has packets: it is neither converted nor local.
    #[must_use]
    pub fn has_packets(&self) -> bool {
        self.convert.is_none() && !self.is_local()
    }

    /// The time after which a frame without further packets is closed, in nanoseconds.
    #[must_use]
    pub fn frame_timeout_ns(&self) -> u64 {
        self.frame_timeout_ms.map_or_else(
            || self.format.default_timeout_ns(),
            |ms| u64::from(ms) * 1_000_000,
        )
    }

    /// The clock of the RTP timestamps.
    #[must_use]
    pub fn rtp_clock(&self) -> RtpClock {
        RtpClock {
            hz: self.format.clock_hz(),
            offset: self.flow.media_clock_offset.unwrap_or_default(),
        }
    }
}
