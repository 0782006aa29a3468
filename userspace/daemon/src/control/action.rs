//! What may be asked of the actor that owns the sessions; [`super::handle`] is to ask with.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::authority::Caller;
use crate::config::Config;
use crate::events::{LastSeen, Subscription};
use crate::exposition::Exposition;
use crate::reply::Reply;
use onair_types::{
    ActiveConfig, BlockerList, Certificate, CertificateList, CertificateQuery, EventName, Eviction,
    EvictionList, Flushed, Health, RecordingList, RecordingRef, RecordingSpec, RecordingView,
    Reload, SessionList, SessionRef, SessionSpec, SessionView, Verdict,
};

/// One request to the actor.
#[derive(Debug)]
pub enum Action {
    /// Set up a session. It belongs to the caller.
    Create {
        /// Who asks; his grant is on any session.
        caller: Caller,
        /// What it shall be.
        spec: Box<SessionSpec>,
        /// The new session.
        reply: Reply<SessionView>,
    },
    /// Every session that lives.
    List {
        /// Sessions, oldest first.
        reply: Reply<SessionList>,
    },
    /// One session.
    Show {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// The session.
        reply: Reply<SessionView>,
    },
    /// Stop. Of a stopped session: done already.
    Stop {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// The session, stopped.
        reply: Reply<SessionView>,
    },
    /// Start. Of a running session: done already.
    Start {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// The session, running.
        reply: Reply<SessionView>,
    },
    /// Destroy at once or not at all.
    Destroy {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// The proof; else `running`, `busy`, `probe_blind`, …
        reply: Reply<Box<Certificate>>,
    },
    /// Destroy as soon as the last user has left.
    DestroyWait {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// When to give up.
        deadline: Instant,
        /// The wait that was asked for, in milliseconds, for the certificate.
        deadline_ms: u64,
        /// The proof; else `deadline_passed` with the blockers, `running`, …
        reply: Reply<Box<Certificate>>,
    },
    /// Wait until what clients have submitted is sent.
    Flush {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// How long to wait.
        wait: Duration,
        /// What was sent; else `deadline_passed`, `frames_dropped`, `limit_reached`.
        reply: Reply<Flushed>,
    },
    /// Cut one client off.
    Evict {
        /// Who asks.
        caller: Caller,
        /// Of which session.
        session: SessionRef,
        /// Which attachment.
        attachment: u64,
        /// What became of it.
        reply: Reply<Eviction>,
    },
    /// Cut everybody off.
    EvictAll {
        /// Who asks.
        caller: Caller,
        /// Of which session.
        session: SessionRef,
        /// What became of each.
        reply: Reply<EvictionList>,
    },
    /// Cut everybody off and destroy, waiting for no user.
    Abort {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// The proof; `dataplane_busy` when the poller does not hand it back.
        reply: Reply<Box<Certificate>>,
    },
    /// Set a stopped session aside with its users.
    Quarantine {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// What the witnesses saw; its memory is pending.
        reply: Reply<Box<Certificate>>,
    },
    /// Record a session.
    Record {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// What it shall be; its fields hold.
        spec: Box<RecordingSpec>,
        /// The recording, when it takes packets.
        reply: Reply<RecordingView>,
    },
    /// Recordings that run, and those that have ended and are remembered.
    Recordings {
        /// Only of this session.
        session: Option<SessionRef>,
        /// Oldest first.
        reply: Reply<RecordingList>,
    },
    /// One recording.
    Recording {
        /// Who asks.
        caller: Caller,
        /// Which; by name: the last of that name.
        recording: RecordingRef,
        /// The recording.
        reply: Reply<RecordingView>,
    },
    /// End a recording.
    StopRecording {
        /// Who asks.
        caller: Caller,
        /// Which.
        recording: RecordingRef,
        /// The recording, when its files are whole; else `deadline_passed`.
        reply: Reply<RecordingView>,
    },
    /// Who uses a session.
    Blockers {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// Everyone who uses it.
        reply: Reply<BlockerList>,
    },
    /// What each witness says now. Changes nothing.
    Verdict {
        /// Who asks.
        caller: Caller,
        /// Which.
        session: SessionRef,
        /// What follows from it.
        reply: Reply<Verdict>,
    },
    /// The certificate of a session that was destroyed.
    Certificate {
        /// Who asks.
        caller: Caller,
        /// Which; by name: the last of that name.
        session: SessionRef,
        /// The proof; `certificate_pending` while the session lives.
        reply: Reply<Box<Certificate>>,
    },
    /// Certificates that are kept.
    Certificates {
        /// Which of them.
        query: CertificateQuery,
        /// Newest first.
        reply: Reply<CertificateList>,
    },
    /// Follow what happens.
    Subscribe {
        /// Who asks: sees what his grant covers.
        caller: Caller,
        /// Only this session.
        session: Option<SessionRef>,
        /// Only these kinds; empty: all.
        kinds: BTreeSet<EventName>,
        /// The last event that the reader has; `None`: only what comes from now on.
        after: Option<LastSeen>,
        /// The events; else `limit_reached`, `no_such_session`, …
        reply: Reply<Subscription>,
    },
    /// What everything counts.
    Metrics {
        /// The numbers.
        reply: Reply<Exposition>,
    },
    /// The configuration in force.
    Config {
        /// The configuration.
        reply: Reply<Box<ActiveConfig>>,
    },
    /// The configuration file was read anew.
    Reload {
        /// What stands in it, or why it does not hold.
        loaded: Result<Box<Config>, String>,
        /// What came of it.
        reply: Reply<Box<Reload>>,
    },
    /// How the daemon is.
    Health {
        /// Never a problem: what is wrong stands in it.
        reply: Reply<Box<Health>>,
    },
}
