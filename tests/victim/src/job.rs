//! What a victim is told, as JSON in its first argument.

use std::path::PathBuf;

use onair_api::SpecDocument;
use serde::{Deserialize, Serialize};

/// A victim's life.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Job {
    /// The attach socket.
    pub socket: PathBuf,
    /// What it does.
    pub role: Role,
    /// Sessions that it attaches to; its threads are dealt out to them in turn.
    pub sessions: Vec<String>,
    /// Threads that use them.
    pub threads: usize,
    /// Where it dies; nowhere by itself if there is none.
    pub trap: Option<Trap>,
    /// File of its [`Tally`](crate::Tally).
    pub tally: PathBuf,
}

/// What a victim does with its sessions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Every call, for ever, from threads that each call in another way.
    Use,
    /// As `Use`, of sessions that it fills.
    Fill,
    /// Its only thread takes a frame and gives it back, for ever, and pauses now and then.
    TakeAndPut,
    /// Every thread waits in `buffer_get`, after each stop again.
    Wait,
    /// As `Use` for a while; then it stops, joins its threads, and detaches.
    Detach,
    /// As `Detach`, but it drops the session.
    Drop,
    /// Creates the session, and later stops it, joins its threads, and destroys it.
    Destroy(Box<SpecDocument>),
    /// Creates the session, and later aborts it with all of its threads inside.
    Abort(Box<SpecDocument>),
}

/// The point at which a victim dies.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trap {
    /// One of what `onair-victim --labels` lists.
    pub label: String,
    /// The how manieth time that it is reached.
    pub hit: u32,
    /// Counted in this one of its threads; in all of them if there is none.
    pub thread: Option<usize>,
    /// What happens there.
    pub action: LabelAction,
}

/// What happens at the point.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LabelAction {
    /// SIGKILL, by its own hand.
    Die,
    /// The thread writes the label to standard output and stays there.
    Stay,
}
