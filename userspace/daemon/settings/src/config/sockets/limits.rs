//! `[limits]`.

use onair_shares::{PROCESS_KEY, Percent, RESERVE_KEY, Share, Terms, UID_KEY};
use serde::{Deserialize, Serialize};

use crate::config::ConfigError;
use crate::config::error::within;

const MIB: usize = 1 << 20;
const DESTROY: &str = "destroy sessions and end the processes that keep their memory";
/// Terms of the limits that are no places of a process.
const SESSIONS: &Terms = &Terms {
    unit: 1,
    remedy: DESTROY,
};
const FRAME_MEMORY: &Terms = &Terms {
    unit: MIB,
    remedy: DESTROY,
};
const RECORDINGS: &Terms = &Terms {
    unit: 1,
    remedy: "stop some of them",
};

/// `[limits]`
///
/// **Shares.** All users share `sessions`, `frame_memory_mb`, `connections`, `http_connections`,
/// their quarter for `/v1/events`, `snapshots`, each `poller.capacity_percent`, `departed` (of each
/// session), `recorder.max_recordings`, `probe.max_files`, `probe.max_sites` and `probe.max_looks`.
/// Of each, `reserve_percent` is reserved: half for root and the role `operate`, half for root
/// alone. Of the rest one user may have `uid_percent`, one process `process_percent`; users without
/// a role together half. Memory of a client that left counts for the client's user.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Sessions at a time, also quarantined ones.
    pub sessions: u32,
    /// Connections on the attach socket at a time.
    pub connections: u32,
    /// Clients of one user that are armed and proven at a time; others wait.
    pub proving_per_uid: u32,
    /// Clients of one session that have left it, or were evicted, and keep its memory. With more it
    /// admits no client.
    pub departed: usize,
    /// Part of each shared limit that is reserved.
    pub reserve_percent: u32,
    /// Part of what is not reserved that one user may have.
    pub uid_percent: u32,
    /// Part of what is not reserved that one process may have.
    pub process_percent: u32,
    /// Snapshots at a time. One takes 16 MiB and about six frames.
    pub snapshots: usize,
    /// Frames and waiting packets of all sessions. Receive sessions need 2 + `quota` × `max_attachments`
    /// frames, send sessions `quota`.
    pub frame_memory_mb: u64,
    /// KiB of each session's trace (`onairctl debug trace`); 0: none.
    pub trace_kb: usize,
    /// Connections on the control socket at a time. A quarter may follow `/v1/events`.
    pub http_connections: usize,
    /// A request's head.
    pub http_head_bytes: usize,
    /// A request's body.
    pub http_body_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 256,
            connections: 1024,
            proving_per_uid: 16,
            departed: 128,
            reserve_percent: 10,
            uid_percent: 80,
            process_percent: 50,
            snapshots: 4,
            frame_memory_mb: 4096,
            trace_kb: 128,
            http_connections: 128,
            http_head_bytes: 8 * 1024,
            http_body_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        within("limits.sessions", self.sessions, 1..=1024)?;
        within("limits.connections", self.connections, 1..=65_536)?;
        within("limits.proving_per_uid", self.proving_per_uid, 1..=1024)?;
        within("limits.departed", self.departed, 2..=1024)?;
        within(RESERVE_KEY, self.reserve_percent, 0..=50)?;
        within(UID_KEY, self.uid_percent, 1..=100)?;
        within(PROCESS_KEY, self.process_percent, 1..=100)?;
        within("limits.snapshots", self.snapshots, 1..=64)?;
        within("limits.frame_memory_mb", self.frame_memory_mb, 1..=1 << 24)?;
        within("limits.trace_kb", self.trace_kb, 0..=65_536)?;
        within("limits.http_connections", self.http_connections, 1..=4096)?;
        within(
            "limits.http_head_bytes",
            self.http_head_bytes,
            1024..=64 * 1024,
        )?;
        within(
            "limits.http_body_bytes",
            self.http_body_bytes,
            1024..=16 << 20,
        )
    }

    /// Reserved part of each limit, and the parts of one user and one process.
    pub fn percent(&self) -> Percent {
        Percent {
            reserve: self.reserve_percent,
            uid: self.uid_percent,
            process: self.process_percent,
        }
    }

    /// Limit of connections on the attach socket.
    pub fn attach_share(&self) -> Share {
        let what = "connections on the attach socket";
        let limit = self.connections as usize;
        Share::new(what, "limits.connections", limit, self.percent())
    }

    /// Limit of readers of the events: the other connections stay free for requests.
    pub fn readers_share(&self) -> Share {
        let limit = (self.http_connections / 4).max(1);
        let (what, key) = ("readers of the events", "limits.http_connections / 4");
        Share::new(what, key, limit, self.percent())
    }

    /// Limit of snapshots that are under way.
    pub fn snapshots_share(&self) -> Share {
        let what = "snapshots under way";
        Share::new(what, "limits.snapshots", self.snapshots, self.percent())
    }

    /// Limit of sessions.
    pub fn sessions_share(&self) -> Share {
        let limit = self.sessions as usize;
        Share::new("sessions", "limits.sessions", limit, self.percent()).with_terms(SESSIONS)
    }

    /// Limit of frame memory, in bytes.
    pub fn frame_memory_share(&self) -> Share {
        let limit = usize::try_from(self.frame_memory_mb).unwrap_or(usize::MAX / MIB) * MIB;
        let (what, key) = ("MiB of frame memory", "limits.frame_memory_mb");
        Share::new(what, key, limit, self.percent()).with_terms(FRAME_MEMORY)
    }

    /// Limit of recordings, `most` together.
    pub fn recordings_share(&self, most: usize) -> Share {
        let (what, key) = ("recordings", "recorder.max_recordings");
        Share::new(what, key, most, self.percent()).with_terms(RECORDINGS)
    }

    /// Limit of clients that have left a session and still keep its memory. Root's processes have
    /// the process share too: keeping memory needs no privilege.
    pub fn former_clients_share(&self) -> Share {
        let what = "clients that left the session and keep its memory";
        let share = Share::new(what, "limits.departed", self.departed, self.percent());
        let any_process = self.departed * self.process_percent as usize / 100;
        share.with_any_process(any_process.max(1))
    }
}
