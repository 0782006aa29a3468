//! Requests to the actor that owns the sessions; [`super::handle`] sends them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::authority::Caller;
use crate::config::Config;
use crate::events::{LastSeen, Subscription};
use crate::exposition::Exposition;
use onair_session::Reply;
use onair_types::{
    ActiveConfig, BlockerList, Certificate, CertificateList, CertificateQuery, EventName, Eviction,
    EvictionList, Flushed, Health, RecordingList, RecordingRef, RecordingSpec, RecordingView,
    Reload, SessionList, SessionRef, SessionSpec, SessionView, Verdict,
};

/// One request to the actor.
#[derive(Debug)]
pub enum Action {
    /// Create a session. The caller's uid owns it.
    Create {
        /// The requester; its grant covers any session.
        caller: Caller,
        /// The specification.
        spec: Box<SessionSpec>,
        /// The new session.
        reply: Reply<SessionView>,
    },
    /// List all existing sessions.
    List {
        /// Sessions, oldest first.
        reply: Reply<SessionList>,
    },
    /// Show one session.
    Show {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// The session.
        reply: Reply<SessionView>,
    },
    /// Stop a session. No effect if it is stopped.
    Stop {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// The session, stopped.
        reply: Reply<SessionView>,
    },
    /// Start a session. No effect if it runs.
    Start {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// The session, running.
        reply: Reply<SessionView>,
    },
    /// Destroy a session now or not at all.
    Destroy {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// The certificate; else `running`, `busy`, `probe_blind`, …
        reply: Reply<Box<Certificate>>,
    },
    /// Destroy a session as soon as the last user has left.
    DestroyWait {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// When to give up.
        deadline: Instant,
        /// The requested wait in milliseconds, for the certificate.
        deadline_ms: u64,
        /// The certificate; else `deadline_passed` with the blockers, `running`, …
        reply: Reply<Box<Certificate>>,
    },
    /// Wait until what clients have submitted is sent.
    Flush {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// Maximum time to wait.
        wait: Duration,
        /// Frames sent; else `deadline_passed`, `frames_dropped`, `limit_reached`.
        reply: Reply<Flushed>,
    },
    /// Evict one client.
    Evict {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name of its session.
        session: SessionRef,
        /// The attachment's number.
        attachment: u64,
        /// The result of the eviction.
        reply: Reply<Eviction>,
    },
    /// Evict all clients.
    EvictAll {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name of their session.
        session: SessionRef,
        /// The result of each eviction.
        reply: Reply<EvictionList>,
    },
    /// Evict all clients and destroy the session; wait for no user.
    Abort {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// The certificate; `dataplane_busy` if the poller does not hand the session back.
        reply: Reply<Box<Certificate>>,
    },
    /// Set a stopped session aside with its users.
    Quarantine {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// The certificate with the witnesses' readings; its memory is pending.
        reply: Reply<Box<Certificate>>,
    },
    /// Record a session.
    Record {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// A checked specification.
        spec: Box<RecordingSpec>,
        /// The recording, once it takes packets.
        reply: Reply<RecordingView>,
    },
    /// List recordings that run, and ended ones that the daemon remembers.
    Recordings {
        /// Only recordings of this session.
        session: Option<SessionRef>,
        /// Oldest first.
        reply: Reply<RecordingList>,
    },
    /// Show one recording.
    Recording {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name; a name means the last recording of that name.
        recording: RecordingRef,
        /// The recording.
        reply: Reply<RecordingView>,
    },
    /// End a recording.
    StopRecording {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        recording: RecordingRef,
        /// The recording, once its files are complete; else `deadline_passed`.
        reply: Reply<RecordingView>,
    },
    /// List the users of a session.
    Blockers {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// All users of the session.
        reply: Reply<BlockerList>,
    },
    /// Read each witness now. Changes nothing.
    Verdict {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name.
        session: SessionRef,
        /// The verdict from these readings.
        reply: Reply<Verdict>,
    },
    /// Show the certificate of a destroyed session.
    Certificate {
        /// The requester and its grant.
        caller: Caller,
        /// Id or name; a name means the last session of that name.
        session: SessionRef,
        /// The certificate; `certificate_pending` while the session exists.
        reply: Reply<Box<Certificate>>,
    },
    /// List stored certificates.
    Certificates {
        /// Which certificates to list.
        query: CertificateQuery,
        /// Newest first.
        reply: Reply<CertificateList>,
    },
    /// Follow the events.
    Subscribe {
        /// The requester; its grant decides which events it sees.
        caller: Caller,
        /// Only events of this session.
        session: Option<SessionRef>,
        /// Only events of these kinds; empty: all kinds.
        kinds: BTreeSet<EventName>,
        /// The last event that the reader has; `None`: only events from now on.
        after: Option<LastSeen>,
        /// The events; else `limit_reached`, `no_such_session`, …
        reply: Reply<Subscription>,
    },
    /// Collect all metrics.
    Metrics {
        /// The metrics and their values.
        reply: Reply<Exposition>,
    },
    /// Show the configuration in force.
    Config {
        /// The configuration.
        reply: Reply<Box<ActiveConfig>>,
    },
    /// Apply the configuration file, which was read again.
    Reload {
        /// The content of the file, or why it is invalid.
        loaded: Result<Box<Config>, String>,
        /// The result of the reload.
        reply: Reply<Box<Reload>>,
    },
    /// Show the daemon's health.
    Health {
        /// Never an error: the health document lists what is wrong.
        reply: Reply<Box<Health>>,
    },
}
