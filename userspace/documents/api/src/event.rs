//! Events of the daemon, as `GET /v1/events` sends them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::certificate::{Operation, Reconciled, ReconciledCause};
use crate::daemon::{ProbeState, PtpState, ReloadOutcome, ShutdownPhase};
use crate::id::{SessionId, SessionName};
use crate::recording::{
    RecordingCounts, RecordingEnd, RecordingFormat, RecordingId, RecordingName, RecordingState,
};
use crate::session::{Blocker, Eviction, SessionProblem, SessionProblemKind};
use crate::spec::Direction;
use crate::time::Timestamp;
use crate::who::Who;

/// An event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Number of the event since the daemon's start, from 1, without gaps over all events. For
    /// `lost`: the number of the last lost event.
    pub sequence: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The session; absent if the event is about the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The session's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SessionName>,
    /// Kind of the event, with its fields.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// Kind of an event, with its fields. In JSON the fields are beside the event's own, and `kind` is
/// the [`EventName`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A session was created.
    SessionCreated {
        /// Direction of its packets.
        direction: Direction,
        /// Its port; empty for a local session.
        port: String,
        /// The process that created it.
        owner: Who,
    },
    /// A session was started.
    SessionStarted {
        /// How many times it has been started, this time included.
        generation: u64,
    },
    /// A session was stopped: its calls return EAGAIN.
    SessionStopped {
        /// Processes attached at the stop.
        attachments: u64,
        /// Callers inside a call at the stop.
        callers: u64,
    },
    /// A session has other addresses.
    SessionRetargeted {
        /// Destination of its packets before, `IPv4:port` or `[IPv6]:port`.
        from: String,
        /// Destination of its packets now, `IPv4:port` or `[IPv6]:port`.
        to: String,
        /// Receive: the sources that it accepts now; none for any.
        sources: Vec<String>,
    },
    /// A process attached.
    ClientAttached {
        /// The attachment's number.
        attachment: u64,
        /// Process id in the daemon's pid namespace.
        pid: u32,
        /// The process's command name. Chosen by the process.
        command: String,
        /// Version of its client library, as the client reports it.
        client_version: String,
    },
    /// An attachment ended.
    ClientLeft {
        /// The attachment's number.
        attachment: u64,
        /// Process id in the daemon's pid namespace.
        pid: u32,
        /// The process's command name. Chosen by the process.
        command: String,
        /// Why the attachment ended.
        cause: ReconciledCause,
    },
    /// A stopped session still has users. Sent 1, 2, 4, 8, … s after the stop.
    DrainBlocked {
        /// Seconds since the stop, rounded down.
        after_s: u64,
        /// Users of the session, the first [`EventKind::NAMED`].
        blockers: Vec<Blocker>,
        /// Number of further users.
        #[serde(default)]
        more: u64,
    },
    /// The daemon settled what a user left behind.
    Reconciled {
        /// The settled operation, its user, and the cause.
        reconciled: Reconciled,
    },
    /// An attachment was evicted.
    Evicted {
        /// The attachment, and the frames that the daemon took back.
        eviction: Eviction,
    },
    /// A session was quarantined: its name is free, and its memory stays until the last holder is
    /// gone.
    Quarantined {
        /// Size of the memory, in bytes.
        bytes: u64,
        /// Holders of the memory, the first [`EventKind::NAMED`].
        blockers: Vec<Blocker>,
        /// Number of further holders.
        #[serde(default)]
        more: u64,
    },
    /// A session was destroyed; its certificate is available.
    Destroyed {
        /// The operation that destroyed it.
        operation: Operation,
        /// The process that requested it.
        requester: Who,
    },
    /// The last memory of a destroyed session came back: its certificate is complete.
    CertificateCompleted {
        /// Returned bytes.
        bytes: u64,
    },
    /// Nine tenths of the places for certificates of one kind are taken: with none left, the oldest one of the user
    /// with the most is removed.
    CertificatesFill {
        /// The kind: certificates of sessions that clients used, or of others.
        what: String,
        /// Number that is stored.
        kept: u64,
        /// Number that may be stored: `state.certificates`.
        limit: u64,
    },
    /// A problem of a session's traffic began.
    SessionProblem {
        /// The problem, with the remedy.
        #[serde(flatten)]
        problem: SessionProblem,
    },
    /// A problem of a session's traffic is over, or the session was stopped.
    SessionProblemOver {
        /// Its kind.
        problem: SessionProblemKind,
    },
    /// A recording accepts packets.
    RecordingStarted {
        /// Its id.
        recording: RecordingId,
        /// Its name. The event's own `name` is the session's.
        recording_name: RecordingName,
        /// File format.
        format: RecordingFormat,
        /// The process that started it.
        requester: Who,
    },
    /// A recording cannot write all packets; it counts the packets that it does not write.
    RecordingDegraded {
        /// Its id.
        recording: RecordingId,
        /// Its name.
        recording_name: RecordingName,
        /// The cause, for people.
        reason: String,
    },
    /// A degraded recording writes all packets again.
    RecordingResumed {
        /// Its id.
        recording: RecordingId,
        /// Its name.
        recording_name: RecordingName,
    },
    /// A recording of an earlier daemon goes on in a next file.
    RecordingContinued {
        /// Its id.
        recording: RecordingId,
        /// Its name.
        recording_name: RecordingName,
        /// How the earlier daemon ended: `shutdown` or `killed`.
        cause: RecordingEnd,
    },
    /// A recording ended.
    RecordingEnded {
        /// Its id.
        recording: RecordingId,
        /// Its name.
        recording_name: RecordingName,
        /// `finished`, or `failed`.
        state: RecordingState,
        /// Why it ended.
        end: RecordingEnd,
        /// The cause, for `failed`.
        reason: Option<String>,
        /// Its counts.
        counts: RecordingCounts,
    },
    /// The probe became able or unable to see callers.
    ProbeState {
        /// The new state.
        state: ProbeState,
        /// The cause, if the probe does not see.
        reason: Option<String>,
    },
    /// A polling thread died; its sessions are stopped.
    PollerDied {
        /// Its name in the configuration.
        poller: String,
        /// Its panic message.
        message: String,
    },
    /// A poller makes no turn: its sessions neither receive nor send, and cannot be destroyed.
    PollerStalled {
        /// Its name.
        poller: String,
        /// When it made its last turn.
        since: Timestamp,
    },
    /// A stalled poller makes turns again.
    PollerResumed {
        /// Its name.
        poller: String,
        /// How long it made none.
        stalled_ms: u64,
    },
    /// The device of a port is back, and the port is open again.
    PortBack {
        /// The port's name in the configuration.
        port: String,
    },
    /// The device of a port disappeared: its interface, or the PCI device.
    PortGone {
        /// The port's name in the configuration.
        port: String,
    },
    /// The link of a port went down or came up. Without a link the port receives and sends nothing.
    PortLink {
        /// The port's name in the configuration.
        port: String,
        /// It is up now.
        up: bool,
    },
    /// The clock that timestamps come from was set. Senders follow it from their next frame on:
    /// their frames and timestamps make a jump of this length.
    ClockSet {
        /// By how many nanoseconds; negative if it was set back.
        by_ns: i64,
    },
    /// The clock began to follow a PTP grandmaster, or stopped. Descriptions of send sessions name
    /// the grandmaster while it is locked.
    PtpState {
        /// The new state.
        state: PtpState,
        /// Why it is not locked, and what to do.
        reason: Option<String>,
    },
    /// ptp4l has another grandmaster than before, or its first one.
    PtpGrandmaster {
        /// Its identity.
        grandmaster: String,
        /// PTP domain.
        domain: u8,
    },
    /// The daemon read the configuration file again.
    ConfigReloaded {
        /// Summary of the result.
        outcome: ReloadOutcome,
        /// For `failed`: why the daemon rejected the file.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<String>,
        /// Keys that changed.
        applied: Vec<String>,
        /// Keys that did not change: `GET /v1/config` gives the reasons.
        refused: Vec<String>,
    },
    /// The shutdown entered its next phase.
    ShutdownPhase {
        /// The phase.
        phase: ShutdownPhase,
        /// The cause of the shutdown.
        cause: Option<String>,
    },
    /// Sessions and users that the shutdown waits for.
    ShutdownProgress {
        /// Sessions that are not destroyed.
        sessions: u64,
        /// Users of those sessions.
        users: u64,
    },
    /// This reader was too slow, or reconnected too late: events are missing here.
    Lost {
        /// Number of missing events that match this reader's filter. For a late reconnect: number
        /// of all missing events, because the daemon no longer knows their sessions.
        count: u64,
    },
}

macro_rules! names {
    ($($variant:ident $word:literal)+) => {
        /// The name of an [`EventKind`], without its fields.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
        #[serde(rename_all = "snake_case")]
        #[expect(missing_docs, reason = "each is documented at EventKind")]
        pub enum EventName { $($variant,)+ }

        impl EventName {
            /// Every name.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The name as text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl EventKind {
            /// The name of this kind.
            #[must_use]
            pub fn name(&self) -> EventName {
                match self { $(Self::$variant { .. } => EventName::$variant,)+ }
            }
        }
    };
}

names! {
    SessionCreated "session_created"
    SessionStarted "session_started"
    SessionStopped "session_stopped"
    SessionRetargeted "session_retargeted"
    ClientAttached "client_attached"
    ClientLeft "client_left"
    DrainBlocked "drain_blocked"
    Reconciled "reconciled"
    Evicted "evicted"
    Quarantined "quarantined"
    Destroyed "destroyed"
    CertificateCompleted "certificate_completed"
    CertificatesFill "certificates_fill"
    SessionProblem "session_problem"
    SessionProblemOver "session_problem_over"
    RecordingStarted "recording_started"
    RecordingDegraded "recording_degraded"
    RecordingResumed "recording_resumed"
    RecordingContinued "recording_continued"
    RecordingEnded "recording_ended"
    ProbeState "probe_state"
    PollerDied "poller_died"
    PollerStalled "poller_stalled"
    PollerResumed "poller_resumed"
    PortBack "port_back"
    PortGone "port_gone"
    PortLink "port_link"
    ClockSet "clock_set"
    PtpState "ptp_state"
    PtpGrandmaster "ptp_grandmaster"
    ConfigReloaded "config_reloaded"
    ShutdownPhase "shutdown_phase"
    ShutdownProgress "shutdown_progress"
    Lost "lost"
}

impl EventKind {
    /// Most blockers in one event. It keeps an event small.
    pub const NAMED: usize = 32;

    /// The first [`EventKind::NAMED`] blockers, and the number of the others.
    #[must_use]
    pub fn cut(mut blockers: Vec<Blocker>) -> (Vec<Blocker>, u64) {
        let more = blockers.len().saturating_sub(Self::NAMED) as u64;
        blockers.truncate(Self::NAMED);
        (blockers, more)
    }
}

impl fmt::Display for EventName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that is not an [`EventName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a kind of event: give one of {}", known())]
pub struct NoSuchKind {
    given: String,
}

fn known() -> String {
    let names: Vec<_> = EventName::ALL.iter().map(|name| name.as_str()).collect();
    names.join(", ")
}

impl FromStr for EventName {
    type Err = NoSuchKind;

    fn from_str(text: &str) -> Result<Self, NoSuchKind> {
        let named = Self::ALL.iter().find(|name| name.as_str() == text);
        named.copied().ok_or_else(|| NoSuchKind {
            given: text.chars().take(40).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_to_json_and_back_then_kind_beside_its_fields() {
        let event = Event {
            sequence: 7,
            at: Timestamp(std::time::SystemTime::UNIX_EPOCH),
            session: Some(SessionId::new(1, 2)),
            name: Some("cam1".parse().expect("a name")),
            kind: EventKind::SessionStarted { generation: 3 },
        };
        let value = serde_json::to_value(&event).expect("it is a document");
        assert_eq!(
            value,
            serde_json::json!({"sequence": 7, "at": "1970-01-01T00:00:00.000000Z",
                "session": "0000000100000002", "name": "cam1",
                "kind": "session_started", "generation": 3})
        );
        assert_eq!(
            serde_json::from_value::<Event>(value).expect("it is an event"),
            event
        );
    }

    #[test]
    fn event_name_every_one_then_its_word() {
        for &name in EventName::ALL {
            assert_eq!(
                serde_json::to_value(name).expect("a word"),
                name.to_string()
            );
            assert_eq!(name.as_str().parse::<EventName>(), Ok(name));
        }
        let error = "drained"
            .parse::<EventName>()
            .expect_err("no kind")
            .to_string();
        assert!(
            error.contains("\"drained\"") && error.contains("drain_blocked"),
            "{error}"
        );
    }
}
