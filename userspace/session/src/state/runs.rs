//! The runs of a session: how often it was started, and since when it is stopped.

use onair_api::Timestamp;
use serde::{Deserialize, Serialize};

use crate::state::rescan::Due;

/// The runs of a session.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Runs {
    /// Number of starts, including those under earlier daemons.
    pub(crate) generation: u64,
    /// `None` while it runs, and if it never ran.
    pub(crate) stopped_at: Option<Timestamp>,
    /// When it stops by itself.
    pub(crate) expiry: Due,
}

impl Runs {
    pub(crate) fn begin(&mut self) {
        self.generation += 1;
        self.stopped_at = None;
    }
}
