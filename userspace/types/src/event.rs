//! What happens in the daemon, as `GET /v1/events` tells it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::blocker::Blocker;
use crate::certificate::{Operation, Reconciled, ReconciledCause};
use crate::config::ReloadOutcome;
use crate::eviction::Eviction;
use crate::health::ProbeState;
use crate::id::{SessionId, SessionName};
use crate::recording::{
    RecordingCounts, RecordingEnd, RecordingFormat, RecordingId, RecordingName, RecordingState,
};
use crate::shutdown::ShutdownPhase;
use crate::spec::Direction;
use crate::time::Timestamp;
use crate::who::Who;

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Event {
    /// Its number in the daemon's life, from 1, without gaps over all events. For `lost`: the
    /// number of the last event that was lost.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// The session that it is about; absent when it is about the daemon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<SessionName>,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened, with what belongs to it. In JSON its fields stand beside the event's own, and
/// `kind` is its [`EventName`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// A session was set up.
    SessionCreated {
        /// Which way its packets go.
        direction: Direction,
        /// Its port.
        port: String,
        /// Who made it.
        owner: Who,
    },
    /// A session runs.
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
    /// A process attached.
    ClientAttached {
        /// The attachment's number.
        attachment: u64,
        /// Process id in the daemon's pid namespace.
        pid: u32,
        /// The process's command name. Chosen by the process.
        command: String,
        /// Version of its client library, as it says.
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
        /// How.
        cause: ReconciledCause,
    },
    /// A stopped session still has users: told 1, 2, 4, 8, … s after the stop.
    DrainBlocked {
        /// Seconds since the stop, rounded down.
        after_s: u64,
        /// Who uses it, the first [`EventKind::NAMED`].
        blockers: Vec<Blocker>,
        /// How many more there are.
        #[serde(default)]
        more: u64,
    },
    /// The daemon settled what somebody left behind.
    Reconciled {
        /// What, of whom, and why.
        reconciled: Reconciled,
    },
    /// An attachment was evicted.
    Evicted {
        /// Whose, and what was taken from it.
        eviction: Eviction,
    },
    /// A session left the names; its memory is kept until the last holder is gone.
    Quarantined {
        /// Bytes that are kept.
        bytes: u64,
        /// Who holds it, the first [`EventKind::NAMED`].
        blockers: Vec<Blocker>,
        /// How many more there are.
        #[serde(default)]
        more: u64,
    },
    /// A session was destroyed; its certificate can be asked for.
    Destroyed {
        /// By which operation.
        operation: Operation,
        /// Who asked.
        requester: Who,
    },
    /// The last memory of a destroyed session came back: its certificate is complete.
    CertificateCompleted {
        /// Bytes that were given back.
        bytes: u64,
    },
    /// A recording takes packets.
    RecordingStarted {
        /// Its id.
        recording: RecordingId,
        /// Its name. In the event's own `name` stands the session's.
        recording_name: RecordingName,
        /// What is written.
        format: RecordingFormat,
        /// Who started it.
        requester: Who,
    },
    /// A recording cannot write all that arrives; what is not written is counted.
    RecordingDegraded {
        /// Its id.
        recording: RecordingId,
        /// Its name.
        recording_name: RecordingName,
        /// What keeps it, in plain words.
        reason: String,
    },
    /// A recording that was degraded writes all that arrives again.
    RecordingResumed {
        /// Its id.
        recording: RecordingId,
        /// Its name.
        recording_name: RecordingName,
    },
    /// A recording ended.
    RecordingEnded {
        /// Its id.
        recording: RecordingId,
        /// Its name.
        recording_name: RecordingName,
        /// `finished`, or `failed`.
        state: RecordingState,
        /// Why.
        end: RecordingEnd,
        /// What went wrong, for `failed`.
        reason: Option<String>,
        /// Its books.
        counts: RecordingCounts,
    },
    /// The probe sees again, or does not.
    ProbeState {
        /// Whether it sees.
        state: ProbeState,
        /// Why not, when it does not.
        reason: Option<String>,
    },
    /// A polling thread died; its sessions are stopped.
    PollerDied {
        /// Its name in the configuration.
        poller: String,
        /// Its last words.
        message: String,
    },
    /// The interface under a port is gone.
    PortGone {
        /// The port's name in the configuration.
        port: String,
    },
    /// The configuration file was read anew.
    ConfigReloaded {
        /// In one word.
        outcome: ReloadOutcome,
        /// Keys that have changed.
        applied: Vec<String>,
        /// Keys that stay as they were: `GET /v1/config` says why.
        refused: Vec<String>,
    },
    /// The daemon's shutdown came to its next phase.
    ShutdownPhase {
        /// Which.
        phase: ShutdownPhase,
        /// What began the shutdown.
        cause: Option<String>,
    },
    /// Sessions and users that the shutdown waits for.
    ShutdownProgress {
        /// Sessions that are not destroyed yet.
        sessions: u64,
        /// Users of them.
        users: u64,
    },
    /// This reader was too slow, or comes back too late: events are missing here.
    Lost {
        /// How many of those that it would have got. For a reader that comes back too late: how many
        /// of all, since what they were about is forgotten with them.
        count: u64,
    },
}

macro_rules! names {
    ($($variant:ident $word:literal)+) => {
        /// An [`EventKind`] without what belongs to it.
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
            /// Which kind it is.
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
    ClientAttached "client_attached"
    ClientLeft "client_left"
    DrainBlocked "drain_blocked"
    Reconciled "reconciled"
    Evicted "evicted"
    Quarantined "quarantined"
    Destroyed "destroyed"
    CertificateCompleted "certificate_completed"
    RecordingStarted "recording_started"
    RecordingDegraded "recording_degraded"
    RecordingResumed "recording_resumed"
    RecordingEnded "recording_ended"
    ProbeState "probe_state"
    PollerDied "poller_died"
    PortGone "port_gone"
    ConfigReloaded "config_reloaded"
    ShutdownPhase "shutdown_phase"
    ShutdownProgress "shutdown_progress"
    Lost "lost"
}

impl EventKind {
    /// Blockers that an event names at most, so that one event stays small.
    pub const NAMED: usize = 32;

    /// The first [`EventKind::NAMED`] blockers, and how many more there are.
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

/// A text that is no [`EventName`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no event is of kind {given:?}: give one of {}", known())]
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
