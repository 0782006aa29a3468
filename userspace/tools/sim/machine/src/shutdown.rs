//! The daemon's shutdown, which the test begins.

use std::time::Duration;

use onair_api::{ShutdownPhase, ShutdownStatus};
use onair_engine::machine::{EndCause, Shutdown};
use onair_settings::config::ShutdownConfig;

use crate::Shared;

/// The shutdown's state.
#[derive(Debug, Default)]
pub(crate) struct ShutdownState {
    cause: Option<EndCause>,
    config: ShutdownConfig,
    sessions: u64,
    users: u64,
}

impl Shutdown for Shared {
    fn begin(&self, cause: EndCause) {
        self.lock().shutdown.cause.get_or_insert(cause);
    }

    fn is_shutting_down(&self) -> bool {
        self.lock().shutdown.cause.is_some()
    }

    fn is_forced(&self) -> bool {
        false
    }

    fn is_takeover(&self) -> bool {
        false
    }

    fn status(&self) -> ShutdownStatus {
        let shutdown = &self.lock().shutdown;
        ShutdownStatus {
            phase: match shutdown.cause {
                None => ShutdownPhase::Running,
                Some(_) => ShutdownPhase::Draining,
            },
            cause: shutdown.cause.as_ref().map(|it| format!("{it:?}")),
            since: None,
            forced: false,
            sessions: shutdown.sessions,
            users: shutdown.users,
            operations: 0,
            phases: Vec::new(),
            parts: Vec::new(),
        }
    }

    fn operations_refused(&self) -> u64 {
        0
    }

    fn config(&self) -> ShutdownConfig {
        self.lock().shutdown.config
    }

    fn configure(&self, config: ShutdownConfig, _: Duration) {
        self.lock().shutdown.config = config;
    }

    fn set_progress(&self, sessions: u64, users: u64) {
        let shutdown = &mut self.lock().shutdown;
        (shutdown.sessions, shutdown.users) = (sessions, users);
    }
}
