//! `[limits]`.

use onair_probe::share::{PROCESS_KEY, Percent, RESERVE_KEY, Share, Terms, UID_KEY};
use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::error::within;

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
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Most sessions, 1 to 1024.
    pub sessions: u32,
    /// Most connections on the attach socket, 1 to 65,536.
    pub connections: u32,
    /// Most clients of one user in arming and proof at once, 1 to 1024; others wait.
    pub proving_per_uid: u32,
    /// Most clients that have left one session, or were evicted, and still keep its memory, 2 to
    /// 1024.
    pub departed: usize,
    /// Part of each limit reserved for root and the operators, percent, 0 to 50.
    pub reserve_percent: u32,
    /// Part of the rest that one user may have, percent, 1 to 100.
    pub uid_percent: u32,
    /// Part of the rest that one process may have, percent, 1 to 100.
    pub process_percent: u32,
    /// Most snapshots under way at a time, 1 to 64.
    pub snapshots: usize,
    /// Most threads that convert frames, 1 to 64. Each is made when a session needs it.
    pub converters: usize,
    /// Frame memory of all sessions, MiB.
    pub frame_memory_mb: u64,
    /// Most connections on the control socket, 1 to 4096.
    pub http_connections: usize,
    /// Longest request head on the control socket, bytes.
    pub http_head_bytes: usize,
    /// Longest request body on the control socket, bytes.
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
            converters: 1,
            frame_memory_mb: 4096,
            http_connections: 128,
            http_head_bytes: 8 * 1024,
            http_body_bytes: 64 * 1024,
        }
    }
}

impl Limits {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("limits.sessions", self.sessions, 1..=1024)?;
        within("limits.connections", self.connections, 1..=65_536)?;
        within("limits.proving_per_uid", self.proving_per_uid, 1..=1024)?;
        within("limits.departed", self.departed, 2..=1024)?;
        within(RESERVE_KEY, self.reserve_percent, 0..=50)?;
        within(UID_KEY, self.uid_percent, 1..=100)?;
        within(PROCESS_KEY, self.process_percent, 1..=100)?;
        within("limits.snapshots", self.snapshots, 1..=64)?;
        within("limits.converters", self.converters, 1..=64)?;
        within("limits.frame_memory_mb", self.frame_memory_mb, 1..=1 << 24)?;
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
