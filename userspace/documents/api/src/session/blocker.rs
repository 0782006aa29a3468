//! Users that keep a session from being destroyed, by name.

use serde::{Deserialize, Serialize};

use super::Witness;
use crate::id::{SessionId, SessionName};
use crate::text::texts;
use crate::time::Timestamp;

/// One thread (or process) that uses a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Blocker {
    /// Process id in the daemon's pid namespace.
    pub pid: u32,
    /// Thread id in the daemon's pid namespace; absent if the use belongs to the process and no
    /// thread can be named.
    pub tid: Option<u32>,
    /// The process's command name. Chosen by the process.
    pub command: String,
    /// The thread's name (`/proc/PID/task/TID/comm`), empty when unknown. Chosen by the process.
    pub thread: String,
    /// Number of the attachment through which it uses the session; absent when unknown.
    pub attachment: Option<u64>,
    /// Version of the client library, as the client reports it; empty when unknown.
    #[serde(default)]
    pub client_version: String,
    /// Kind of use.
    pub kind: BlockerKind,
    /// Start of the use, if known.
    pub since: Option<Timestamp>,
    /// Duration of the use, in milliseconds, if known.
    pub blocked_for_ms: Option<u64>,
    /// The call that the thread is in; absent for a mere holder.
    pub waits_in: Option<WaitsIn>,
    /// State of the thread, from the kernel (`State` in `/proc/PID/task/TID/status`), as `running`,
    /// `sleeping`, `disk sleep`, `stopped`; absent when no thread can be named and the process is not
    /// stopped.
    #[serde(default)]
    pub kernel_state: Option<String>,
    /// Kernel function that the thread sleeps in (`/proc/PID/task/TID/wchan`), if the kernel shows
    /// it.
    #[serde(default)]
    pub wait_channel: Option<String>,
    /// Frames that the thread or process holds.
    pub held_frames: Vec<HeldFrame>,
    /// Witnesses that saw the use.
    pub seen_by: Vec<Witness>,
    /// More information or advice, in one sentence.
    pub note: Option<String>,
}

impl Blocker {
    /// [`Self::kernel_state`] of a stopped process.
    pub const STOPPED: &str = "stopped";

    /// Whether its process is stopped, by SIGSTOP or SIGTSTP: it does nothing until SIGCONT.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.kernel_state.as_deref() == Some(Self::STOPPED)
    }
}

/// One line for logs: process and thread, call, duration, frames. The process chose the names; they
/// are printed unchanged.
impl std::fmt::Display for Blocker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
        write!(f, "{} {}", self.command, self.pid)?;
        match self.tid {
            Some(tid) => write!(f, "/{tid}")?,
            None => f.write_str("/?")?,
        }
        if !self.thread.is_empty() {
            write!(f, " ({})", self.thread)?;
        }
        write!(f, " {}", self.kind)?;
        if let Some(call) = self.waits_in {
            write!(f, " in {call}")?;
        }
        if let Some(ms) = self.blocked_for_ms {
            write!(f, " for {}", seconds(ms))?;
        }
        if self.is_stopped() {
            write!(f, ", stopped (`kill -CONT {}`)", self.pid)?;
        } else if let (BlockerKind::Inside, Some(state)) = (self.kind, &self.kernel_state) {
            let channel = self.wait_channel.as_deref().unwrap_or("no wait channel");
            write!(f, " ({state}, {channel})")?;
        }
        for (at, held) in self.held_frames.iter().enumerate() {
            let before = if at == 0 { ", holds frame " } else { ", " };
            write!(f, "{before}{} ({})", held.frame, seconds(held.age_ms))?;
        }
        Ok(())
    }
}

/// Kind of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum BlockerKind {
    /// Asleep in a wait.
    Blocked,
    /// Inside a call and running.
    Inside,
    /// Outside every call, holding frames.
    Holding,
    /// Counted in a slot that names no thread (the shared overflow slot).
    Unattributed,
    /// A thread that exited and left frames behind. The frames belong to its process.
    Exited,
    /// A process that has the session's memory open or mapped and does not use it. It only delays
    /// the return of that memory.
    Mapping,
}

texts! {
    BlockerKind:
    Blocked "blocked", Inside "inside", Holding "holding", Unattributed "unattributed",
    Exited "exited", Mapping "mapping"
}

/// A client call that a thread can be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WaitsIn {
    /// `buffer_get`.
    BufferGet,
    /// `buffer_put`.
    BufferPut,
    /// `event_poll`.
    EventPoll,
    /// `wait_started`.
    WaitStarted,
    /// The slot names a call that the daemon does not know (the client writes the slot).
    Unknown,
}

texts! {
    WaitsIn:
    BufferGet "buffer_get", BufferPut "buffer_put", EventPoll "event_poll",
    WaitStarted "wait_started", Unknown "unknown"
}

/// A frame on loan to an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct HeldFrame {
    /// Index of the frame in the attachment's memory, from 0.
    pub frame: u32,
    /// Time since the loan, in milliseconds.
    pub age_ms: u64,
}

/// Answer of `GET /v1/sessions/{id}/blockers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BlockerList {
    /// The session.
    pub session: SessionId,
    /// Its name.
    pub name: SessionName,
    /// When the daemon made the list.
    pub at: Timestamp,
    /// All users of the session; empty if there are none.
    pub blockers: Vec<Blocker>,
}

/// An evicted attachment. Its calls return ESTALE. The daemon takes its loaned frames back. Its
/// mappings stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Eviction {
    /// The attachment's number.
    pub attachment: u64,
    /// Its process, in the daemon's pid namespace.
    pub pid: u32,
    /// The process's command name. Chosen by the process.
    pub command: String,
    /// When the daemon evicted it.
    pub at: Timestamp,
    /// Why the daemon evicted it.
    pub cause: EvictionCause,
    /// Threads inside a call at that time, as the client's slots counted them. The daemon woke
    /// them. A frozen process returns from the calls when it continues.
    pub callers_inside: u64,
    /// Loaned frames that the daemon took back.
    pub frames_revoked: u64,
    /// Of these, frames of a receive session that the client held. The daemon reuses them only
    /// after the kernel reports that the client has released its words or is dead: the daemon never
    /// writes under a reader.
    pub frames_set_aside: u64,
}

/// Why the daemon evicted an attachment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EvictionCause {
    /// An operator requested it.
    Requested,
    /// The client wrote values into the shared memory that no conforming client writes.
    Violation,
}

texts! { EvictionCause: Requested "requested", Violation "broke the protocol" }

/// Answer of `POST /v1/sessions/{id}/evict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvictionList {
    /// Attachments that this request evicted; empty if there were none.
    pub evicted: Vec<Eviction>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocker_in_one_line_then_who_where_how_long_and_with_what() {
        let mut blocker = Blocker {
            pid: 4711,
            tid: Some(4712),
            command: "player".into(),
            thread: "reader".into(),
            attachment: Some(1),
            client_version: "0.1.0".into(),
            kind: BlockerKind::Blocked,
            since: None,
            blocked_for_ms: Some(2290),
            waits_in: Some(WaitsIn::BufferGet),
            kernel_state: Some("sleeping".into()),
            wait_channel: Some("futex_wait_queue".into()),
            held_frames: Vec::new(),
            seen_by: vec![Witness::W1],
            note: None,
        };
        assert_eq!(
            blocker.to_string(),
            "player 4711/4712 (reader) blocked in buffer_get for 2.2 s"
        );
        blocker.kind = BlockerKind::Inside;
        blocker.blocked_for_ms = None;
        blocker.held_frames = [(2, 1050), (5, 40)]
            .map(|(frame, age_ms)| HeldFrame { frame, age_ms })
            .into();
        assert_eq!(
            blocker.to_string(),
            "player 4711/4712 (reader) inside in buffer_get (sleeping, futex_wait_queue), \
             holds frame 2 (1.0 s), 5 (0.0 s)"
        );
        blocker.kernel_state = Some("stopped".into());
        blocker.held_frames.clear();
        assert_eq!(
            blocker.to_string(),
            "player 4711/4712 (reader) inside in buffer_get, stopped (`kill -CONT 4711`)"
        );
    }
}
