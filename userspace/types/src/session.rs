//! A session as the daemon shows it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::{SessionId, SessionName};
use crate::spec::{Direction, FlowDocument, Source, VideoDocument};
use crate::time::Timestamp;
use crate::who::Who;

/// Where a session stands: `created → running ⇄ stopped → draining → destroyed`, or
/// `→ quarantined → destroyed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Set up, never started.
    Created,
    /// Packets flow; calls block and return frames.
    Running,
    /// Calls return EAGAIN; may be started again or destroyed.
    Stopped,
    /// A destroy waits for the last user.
    Draining,
    /// Gone; the certificate remains.
    Destroyed,
    /// Set aside with its users: it has no name any more, and nothing is freed until the last holder
    /// is gone.
    Quarantined,
}

impl std::fmt::Display for SessionState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Stopped => "stopped",
            Self::Draining => "draining",
            Self::Destroyed => "destroyed",
            Self::Quarantined => "quarantined",
        })
    }
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    /// Its identity.
    pub id: SessionId,
    /// Its name.
    pub name: SessionName,
    /// Which way the packets go.
    pub direction: Direction,
    /// Name of its port.
    pub port: String,
    /// Raster, rate and depth.
    pub video: VideoDocument,
    /// Addresses and payload type.
    pub flow: FlowDocument,
    /// Where the frames of a send session come from; absent for a receive session.
    pub source: Option<Source>,
    /// Frames that an attachment may have lent at once.
    pub quota: u32,
    /// Attachments that it admits at once.
    pub max_attachments: u32,
    /// Place in the daemon's end, 0 to 100: those of a lower number go before it.
    #[serde(default = "default_priority")]
    pub priority: u32,
    /// It is stopped so many milliseconds after its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Comes back when the daemon starts anew.
    #[serde(default)]
    pub persistent: bool,
    /// Where it stands.
    pub state: SessionState,
    /// Who created it. Its uid may stop, start and destroy it; absent when nobody but the daemon's
    /// own users may.
    pub owner: Option<Who>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last stopped; absent while it is running or was never started.
    pub stopped_at: Option<Timestamp>,
    /// The processes on it.
    pub attachments: Vec<AttachmentView>,
    /// What passed through it since it was created.
    pub counters: SessionCounters,
}

/// One client process on one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttachmentView {
    /// Its number, never used again in this session.
    pub attachment: u64,
    /// Process id in the daemon's pid namespace.
    pub pid: u32,
    /// The process's command name. Chosen by the process.
    pub command: String,
    /// Effective user id at connect.
    pub uid: u32,
    /// Version of the client library, as the client says.
    pub client_version: String,
    /// Frames that are lent to it now, by the daemon's ledger: ready for it, held by it, or given
    /// back and not credited yet; of one that was cut off, frames that are set aside for its sake.
    /// While the session runs, as its poller last published it.
    pub lent: u64,
    /// Of these, frames that it holds (the client's word).
    #[serde(default)]
    pub held: u64,
    /// Threads inside a call now (the client's slots).
    pub threads_inside: u64,
    /// Where it stands.
    pub state: AttachmentState,
}

/// Where an attachment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// Admitted, but the probe has not yet proven that it sees this client.
    Proving,
    /// In use.
    Attached,
    /// It stopped for itself.
    Stopped,
    /// Its socket is closed, its process is not known to be dead: nothing is lent to it any more.
    Disconnected,
    /// Cut off: it broke the contract or was evicted.
    Revoked,
}

impl std::fmt::Display for AttachmentState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Proving => "proving",
            Self::Attached => "attached",
            Self::Stopped => "stopped",
            Self::Disconnected => "disconnected",
            Self::Revoked => "revoked",
        })
    }
}

/// What passed through a session since it was created. Each only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SessionCounters {
    /// Frames received whole.
    pub frames_complete: u64,
    /// Frames received with something missing; never shown as whole.
    pub frames_incomplete: u64,
    /// Frames whose last packet was given to the port.
    pub frames_sent: u64,
    /// Packets of this flow received or sent.
    pub packets: u64,
    /// Bytes of RTP payload in them.
    pub bytes: u64,
    /// Packets that never came, by sequence number.
    pub packets_lost: u64,
    /// Packets that came twice.
    pub packets_duplicate: u64,
    /// Packets that came after their frame was closed.
    pub packets_late: u64,
    /// Packets that came out of order and were put in their place.
    pub packets_reordered: u64,
    /// Packets that were not taken, by reason.
    pub packets_malformed: BTreeMap<String, u64>,
    /// Frames that came while no free buffer was left.
    pub frames_no_buffer: u64,
    /// Frame times at which a sender had nothing to send.
    pub underruns: u64,
    /// Frames taken back unread from a client that was too slow.
    pub frames_dropped_slow: u64,
}

/// Answer of `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// Every session that lives, oldest first.
    pub sessions: Vec<SessionView>,
}

fn default_priority() -> u32 {
    u32::from(crate::spec::DEFAULT_PRIORITY)
}
