//! A session, as the API shows it.

use onair_essence::rows::Row;
use onair_essence::{Document as _, FormatDocument, TimingDocument};
use serde::{Deserialize, Serialize};

use super::{GroupMembership, Legs, PeerState, SessionCounters, SessionProblem, Signal};
use crate::group_name::GroupName;
use crate::id::{SessionId, SessionName};
use crate::spec::{Convert, DescriptionNote, Direction, FlowDocument, Source};
use crate::text::texts;
use crate::time::Timestamp;
use crate::who::Who;

/// State of a session: `created → running ⇄ stopped → draining → destroyed`, or `→ quarantined →
/// destroyed`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum SessionState {
    /// Never started.
    Created,
    /// Packets flow; calls block and return frames.
    Running,
    /// Calls return EAGAIN; may be started again or destroyed.
    Stopped,
    /// A destroy waits for the last user.
    Draining,
    /// Gone; the certificate remains.
    Destroyed,
    /// Set aside with its users: its name is free, and its memory stays until the last holder is
    /// gone.
    Quarantined,
}

texts! {
    SessionState:
    Created "created", Running "running", Stopped "stopped", Draining "draining",
    Destroyed "destroyed", Quarantined "quarantined"
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionView {
    /// Its identity.
    pub id: SessionId,
    /// Its name.
    pub name: SessionName,
    /// The group that it is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub member_of: Option<GroupName>,
    /// The session whose frames it converts, and to what; absent for a session of packets. Its
    /// `port`, `video` and `flow` are those that its source had at its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Convert>,
    /// Direction of the packets, or that there are none.
    pub direction: Direction,
    /// Name of its port; absent for a local session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// Name of the poller that runs it.
    #[serde(default)]
    pub poller: String,
    /// Format of its units.
    #[serde(flatten)]
    pub format: FormatDocument,
    /// Addresses and payload type; absent for a local session.
    #[serde(default, skip_serializing_if = "FlowDocument::is_none")]
    pub flow: FlowDocument,
    /// The flow that it changes to; absent unless a change is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<NextFlow>,
    /// Source of the frames of a send session; absent for a receive session.
    pub source: Option<Source>,
    /// Frames that one attachment may hold on loan at a time.
    pub quota: u32,
    /// Attachments at a time.
    pub max_attachments: u32,
    /// Shutdown priority, 0 to 100, lowest first.
    #[serde(default = "default_priority")]
    pub priority: u32,
    /// Receive: a frame is closed as incomplete after this many milliseconds without a packet of it;
    /// absent: after three frame times, at least 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_timeout_ms: Option<u32>,
    /// The daemon stops the session this many milliseconds after its creation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// Restored when the daemon restarts, unless a user destroyed it.
    #[serde(default)]
    pub persistent: bool,
    /// Parts of its description that the session does not have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<DescriptionNote>,
    /// A controller's connection, in words of that controller's bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connected: Option<String>,
    /// State of the session.
    pub state: SessionState,
    /// The process that created it. Processes of its uid may stop, start and destroy the session;
    /// absent if only the daemon's own users may.
    pub owner: Option<Who>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last stopped; absent while it is running or was never started.
    pub stopped_at: Option<Timestamp>,
    /// Attached processes.
    pub attachments: Vec<AttachmentView>,
    /// Converted sessions that have its frames. Each has the place of one attachment.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub converted_sessions: u64,
    /// Whether it has a picture, and the right one; absent unless the session is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Problems of its traffic now, with the remedies. Empty unless the session is running.
    #[serde(default)]
    pub problems: Vec<SessionProblem>,
    /// The link of its port is up. Absent while the port has no device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_up: Option<bool>,
    /// Receive: the synchronisation source that the session follows; absent before the first
    /// packet. Send: its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// Send, while running: what is known of the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerState>,
    /// Receive from a multicast group: its membership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupMembership>,
    /// Receive on two legs: each, and both together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legs: Option<Legs>,
    /// Receive: timing of the packets; absent before some frames have arrived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timing: Option<TimingDocument>,
    /// Its rates now; absent unless the session is running, and in its first moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<RecentTraffic>,
    /// Traffic since the session's creation.
    pub counters: SessionCounters,
}

impl SessionView {
    /// Whether it has packets: it is neither converted nor local.
    #[must_use]
    pub fn has_packets(&self) -> bool {
        self.convert.is_none() && self.direction != Direction::Local
    }

    /// How its packets are made and spread, for people.
    #[must_use]
    pub fn packet_rows(&self) -> Vec<Row> {
        self.format.packet_rows(self.direction == Direction::Send)
    }
}

/// Addresses that a session is about to get.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NextFlow {
    /// Destination of the packets.
    pub destination: String,
    /// When, by the clock of send sessions (ns of TAI); absent: after the unit in transit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_tai_ns: Option<u64>,
}

/// One client process on one session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AttachmentView {
    /// Its number. The session never reuses it.
    pub attachment: u64,
    /// Process id in the daemon's pid namespace.
    pub pid: u32,
    /// The process's command name. Chosen by the process.
    pub command: String,
    /// Effective user id at connect.
    pub uid: u32,
    /// Version of the client library, as the client reports it.
    pub client_version: String,
    /// Loaned frames, by the daemon's ledger: ready for the client, held by it, or returned and not
    /// credited yet; for an evicted client, its set-aside frames. While the session runs, the
    /// number that its poller last published.
    pub lent: u64,
    /// Of these, frames that the client holds (the client reports this).
    #[serde(default)]
    pub held: u64,
    /// How long the client has held its oldest frame, in milliseconds; absent if it holds none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_held_ms: Option<u64>,
    /// Frames that this client missed because it had used its quota.
    #[serde(default)]
    pub frames_dropped_slow: u64,
    /// Units that its client missed before this attachment; absent unless it has come back, and has got its first
    /// frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missed: Option<MissedUnits>,
    /// Local: it fills the frames that the others read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fills: bool,
    /// It samples: it takes some frames, not all, and is slow to none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub samples: bool,
    /// Of one that samples, frames that it did not take in time.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub frames_sampled_out: u64,
    /// Threads inside a call (the client's slots).
    pub threads_inside: u64,
    /// State of the attachment.
    pub state: AttachmentState,
}

/// Units that a client missed which has come back, as after a restart of the daemon: by the RTP timestamp of the last
/// unit that it had, as it says, and that of the first one after it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct MissedUnits {
    /// Units between the two.
    pub units: u64,
    /// When the last one began to arrive.
    pub since: Timestamp,
    /// When the first one after it began to arrive.
    pub until: Timestamp,
}

/// State of an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum AttachmentState {
    /// Admitted, but the probe has not yet proven that it sees this client.
    Proving,
    /// In use.
    Attached,
    /// The client stopped itself.
    Stopped,
    /// The socket is closed and the process is not known to be dead. The daemon loans it no frame.
    Disconnected,
    /// Evicted: it broke the protocol, or an operator evicted it.
    Revoked,
}

texts! {
    AttachmentState:
    Proving "proving", Attached "attached", Stopped "stopped", Disconnected "disconnected",
    Revoked "revoked"
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

fn default_priority() -> u32 {
    u32::from(crate::spec::DEFAULT_PRIORITY)
}

/// Rates of a running session over about the last second, measured four times a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RecentTraffic {
    /// Complete or sent frames in 1,000 seconds at this rate: 59940 is 59.94 a second. Of interlaced
    /// video these are fields.
    pub frames_per_1000_s: u64,
    /// Bits of RTP a second.
    pub bits_per_second: u64,
    /// Receive: lost packets in a million.
    pub lost_ppm: u64,
    /// When the last frame was finished, complete or not; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_frame_at: Option<Timestamp>,
}
