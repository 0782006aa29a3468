//! Cutting a client off from a session, whatever it does.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// An attachment that was cut off. Its calls return ESTALE, what was lent to it is the daemon's
/// again; what it has mapped stays mapped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Eviction {
    /// The attachment's number.
    pub attachment: u64,
    /// Its process, in the daemon's pid namespace.
    pub pid: u32,
    /// The process's command name. Chosen by the process.
    pub command: String,
    /// When it was cut off.
    pub at: Timestamp,
    /// Why.
    pub cause: EvictionCause,
    /// Threads that were inside a call then, as its slots counted them (the client's word). They
    /// were woken; a stopped process returns from them when it goes on.
    pub callers_inside: u64,
    /// Frames that were lent to it then and were taken back.
    pub frames_revoked: u64,
    /// Of these, frames of a receive session that it held. They are not used again before the kernel
    /// says that the client has let go of its words, or is dead: nobody writes under a reader.
    pub frames_set_aside: u64,
}

/// Why an attachment was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum EvictionCause {
    /// Somebody asked for it.
    Requested,
    /// It wrote words into the shared memory that no client following the protocol writes.
    Violation,
}

impl std::fmt::Display for EvictionCause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Requested => "requested",
            Self::Violation => "broke the protocol",
        })
    }
}

/// Answer of `POST /v1/sessions/{id}/evict`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EvictionList {
    /// Those who were cut off by this request. Empty: nobody was attached.
    pub evicted: Vec<Eviction>,
}
