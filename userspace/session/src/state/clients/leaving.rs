//! How an attachment leaves whose lender is on the way here.

use onair_api::ReconciledCause;
use serde::{Deserialize, Serialize};

use crate::boundary::ticket::Ticket;

/// What waits for a poller to hand an attachment's lender back.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Leaving {
    /// The client asked to detach, and has no loaned frames.
    Detach(Ticket<()>),
    /// The process is gone, or released the memory.
    Ended(ReconciledCause),
}
