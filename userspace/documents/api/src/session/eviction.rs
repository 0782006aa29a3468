//! Evictions of clients from a session.

use serde::{Deserialize, Serialize};

use crate::text::texts;
use crate::time::Timestamp;

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
