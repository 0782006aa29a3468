//! What the witnesses say, and what follows from it.

use serde::{Deserialize, Serialize};

use crate::time::Timestamp;

/// One of the four independent witnesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Witness {
    /// Counters: every slot of every attachment is 0 and the ledger holds no lent frame.
    W1,
    /// Probe: the kernel's map holds no blocked caller, and the probe is proven to see.
    W2,
    /// Ownership: every poller handed the session's runtime back, no transmit buffer in flight.
    W3,
    /// Mapping: no other process has the session's memory open or mapped. Needed to give memory
    /// back, not to destroy.
    W4,
}

impl std::fmt::Display for Witness {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::W1 => "W1",
            Self::W2 => "W2",
            Self::W3 => "W3",
            Self::W4 => "W4",
        })
    }
}

/// What a witness says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Says {
    /// It looked and saw no user.
    Zero,
    /// It looked and saw users.
    Users,
    /// It could not look. Counts as users: witnesses fail closed.
    Unknown,
    /// It has nothing to look at (the probe is switched off; no memory was ever handed out).
    NotApplicable,
}

impl std::fmt::Display for Says {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Zero => "zero",
            Self::Users => "users",
            Self::Unknown => "unknown",
            Self::NotApplicable => "not applicable",
        })
    }
}

/// Whose word a reading is: how far it can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum WordOf {
    /// Memory that the client can write.
    Client,
    /// The daemon's private books.
    Daemon,
    /// The kernel.
    Kernel,
}

impl std::fmt::Display for WordOf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Client => "client",
            Self::Daemon => "daemon",
            Self::Kernel => "kernel",
        })
    }
}

/// One look of one witness. A witness that reads two sources (W1: the client's slots, our ledger)
/// gives two readings, because the word is of two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Reading {
    /// Which witness looked.
    pub witness: Witness,
    /// What it looked at: `slots`, `ledger`, `probe`, `pollers`, `mapping`.
    #[cfg_attr(feature = "openapi", schema(examples("slots")))]
    pub name: String,
    /// What it says.
    pub says: Says,
    /// Users that it saw: callers for slots and probe, frames for the ledger, pollers for
    /// pollers, holders for mapping. 0 unless `says` is `users`.
    pub users: u64,
    /// Users that it saw and does not count: blocked callers of clients that were cut off. Such a
    /// client has nothing of the session but the memory that it maps, which W4 watches over.
    #[serde(default)]
    pub left_out: u64,
    /// The same for people, with the names behind the number.
    pub detail: String,
    /// Whose word it is.
    pub word_of: WordOf,
    /// When it looked: CLOCK_MONOTONIC, in nanoseconds.
    pub at_monotonic_ns: u64,
}

/// What follows from the readings. A dry run (`GET …/verdict`) changes nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// A destroy would succeed now.
    pub destroyable: bool,
    /// The witnesses contradict each other (W1 says zero, W2 sees callers). Nothing is freed.
    pub disagreement: bool,
    /// Why, in one sentence.
    pub reason: String,
    /// When it was reached.
    pub at: Timestamp,
    /// Every reading that it stands on.
    pub readings: Vec<Reading>,
}
