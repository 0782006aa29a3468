//! Readings of the witnesses, and the verdict.

use serde::{Deserialize, Serialize};

use crate::text::texts;
use crate::time::Timestamp;

/// One of the four independent witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Witness {
    /// Counters: every slot of every attachment is 0 and the ledger has no loaned frame.
    W1,
    /// Probe: the kernel's map has no blocked caller, and the probe is proven to see.
    W2,
    /// Ownership: every poller handed the session's runtime back, and no transmit buffer is in
    /// flight.
    W3,
    /// Mapping: no other process has the session's memory open or mapped. Required to return
    /// memory, not to destroy.
    W4,
}

texts! { Witness: W1 "W1", W2 "W2", W3 "W3", W4 "W4" }

/// Result of a reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// No user.
    Zero,
    /// Users.
    Users,
    /// The witness could not look. Counts as users: witnesses fail closed.
    Unknown,
    /// There is no source to read (the probe is off; no memory was ever handed out).
    NotApplicable,
}

texts! { Says: Zero "zero", Users "users", Unknown "unknown", NotApplicable "not applicable" }

/// Writer of the source that a reading is based on. It tells how far to trust the reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WordOf {
    /// Memory that the client can write.
    Client,
    /// The daemon's private ledger and state.
    Daemon,
    /// The kernel.
    Kernel,
}

texts! { WordOf: Client "client", Daemon "daemon", Kernel "kernel" }

/// One reading of one witness. A witness with two sources (W1: the client's slots, the daemon's
/// ledger) gives two readings, because the sources have different writers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reading {
    /// The witness.
    pub witness: Witness,
    /// Its source: `slots`, `ledger`, `probe`, `pollers`, `mapping`.
    #[cfg_attr(feature = "openapi", schema(examples("slots")))]
    pub name: String,
    /// Result.
    pub says: Says,
    /// Users that it saw: callers for slots and probe, frames for the ledger, pollers for pollers,
    /// holders for mapping. 0 unless `says` is `users`.
    pub users: u64,
    /// Users that it saw and does not count: blocked callers of evicted clients. Such a client only
    /// maps the session's memory, and W4 watches that.
    #[serde(default)]
    pub left_out: u64,
    /// The same for people, with the names of the users.
    pub detail: String,
    /// Writer of the source.
    pub word_of: WordOf,
    /// Time of the reading: CLOCK_MONOTONIC, in nanoseconds.
    pub at_monotonic_ns: u64,
}

/// The verdict on the readings. A dry run (`GET …/verdict`) changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// A destroy would succeed now.
    pub destroyable: bool,
    /// The witnesses contradict each other (W1 says zero, W2 sees callers). The daemon frees
    /// nothing.
    pub disagreement: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// Time of the verdict.
    pub at: Timestamp,
    /// The readings behind it.
    pub readings: Vec<Reading>,
}
