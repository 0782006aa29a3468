//! The state of a shutdown.

use std::collections::BTreeMap;
use std::time::Instant;

use onair_api::SessionState;
use onair_session::shutdown::ShutdownCore;

/// A shutdown in progress.
pub(super) struct Ending {
    pub(super) core: ShutdownCore,
    /// The states that the core knows.
    pub(super) known: BTreeMap<usize, Option<SessionState>>,
    pub(super) is_forced: bool,
    /// When its next step is due.
    pub(super) wake_at: Option<Instant>,
}
