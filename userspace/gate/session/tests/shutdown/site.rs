//! One session of the plant.

use std::time::Instant;

use onair_api::SessionState;
use onair_session::shutdown::LastUnits;

/// A session, as it really is.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) priority: u8,
    pub(crate) state: SessionState,
    pub(crate) last_units: LastUnits,
    /// Callers inside, and frames on loan.
    pub(crate) users: u32,
    /// The probe is blind: nothing can destroy it.
    pub(crate) is_blind: bool,
    /// Its poller does not answer: an abort does not end it.
    pub(crate) hangs: bool,
    /// When its destroy gives up; whether that one waits for its turn.
    pub(crate) destroy: Option<(Instant, bool)>,
    pub(crate) is_told: bool,
    pub(crate) has_begun: bool,
    /// It has drained since its class began.
    pub(crate) delays: bool,
    pub(crate) is_ready: bool,
}

impl Site {
    pub(crate) fn new(priority: u8, users: u32) -> Self {
        Self {
            priority,
            state: SessionState::Running,
            last_units: LastUnits::Receives,
            users,
            is_blind: false,
            hangs: false,
            destroy: None,
            is_told: false,
            has_begun: false,
            delays: false,
            is_ready: false,
        }
    }
}
