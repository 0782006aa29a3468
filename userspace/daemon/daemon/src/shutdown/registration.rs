//! Registration of the daemon's parts with the coordinator.

use std::sync::Arc;

use onair_api::ShutdownStatus;
use serde_json::{Map, Value};

use super::coordinator::ShutdownCoordinator;
use super::sequence::PartKind;
use super::shared::lock;
use super::shared::parts::{Limit, PartError, Waiting};

impl ShutdownCoordinator {
    /// Registers a function to call when the shutdown begins (phase 1). They run one after the
    /// other, in the order of registration. It must not block: one that does is left behind after
    /// `handler_ms`. Not called if the shutdown has passed that phase.
    pub fn register_shutdown_notification(
        &self,
        name: impl Into<String>,
        notify: impl FnOnce() + Send + 'static,
    ) {
        let told = |_: &Waiting| {
            notify();
            Ok(())
        };
        self.add(PartKind::Notification, name, 0, Limit::Handler, told);
    }

    /// Registers a function to run in phase 2, on its own thread: lowest `priority` first, equal
    /// priorities in parallel. One that takes longer than `limit` is reported and left behind.
    pub fn register_shutdown_waiter(
        &self,
        name: impl Into<String>,
        priority: u8,
        limit: impl Into<Limit>,
        wait: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        self.add(PartKind::Waiter, name, priority, limit, wait);
    }

    /// Registers a function that closes a listening server at the start of phase 3. All run in
    /// parallel, each within `handler_ms`.
    pub fn register_server_shutdown(
        &self,
        name: impl Into<String>,
        close: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        self.add(PartKind::Server, name, 0, Limit::Handler, close);
    }

    /// Registers a function that releases a part's resources after the servers are closed. As
    /// [`Self::register_shutdown_waiter`], each within `cleanup_ms`.
    pub fn register_cleanup(
        &self,
        name: impl Into<String>,
        priority: u8,
        release: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        self.add(PartKind::Cleanup, name, priority, Limit::Cleanup, release);
    }

    pub(super) fn add(
        &self,
        kind: PartKind,
        name: impl Into<String>,
        priority: u8,
        limit: impl Into<Limit>,
        run: impl FnOnce(&Waiting) -> Result<(), PartError> + Send + 'static,
    ) {
        let mut parts = self.shared.parts();
        parts.add(kind, name, priority, limit, run);
    }

    /// Calls `listener` at each change of phase or of the remaining users. It must not block.
    pub fn on_progress(&self, listener: impl Fn(&ShutdownStatus) + Send + Sync + 'static) {
        lock(&self.shared.listeners).push(Arc::new(listener));
    }

    /// Registers an action for SIGHUP. It may block: it runs on the thread `tasks`.
    pub fn register_reload(
        &self,
        name: impl Into<String>,
        reload: impl Fn() + Send + Sync + 'static,
    ) {
        let mut hooks = lock(&self.shared.hooks);
        hooks.reloads.push((name.into(), Arc::new(reload)));
    }

    /// Registers a part of SIGUSR1's output under `name`. It may block: it runs on the thread
    /// `tasks`.
    pub fn register_dump(
        &self,
        name: impl Into<String>,
        dump: impl Fn() -> Value + Send + Sync + 'static,
    ) {
        let mut hooks = lock(&self.shared.hooks);
        hooks.dumps.push((name.into(), Arc::new(dump)));
    }

    /// Runs the actions of SIGHUP.
    pub fn reload(&self) {
        if self.is_shutting_down() {
            tracing::warn!("SIGHUP ignored: the daemon is shutting down");
            return;
        }
        let hooks = lock(&self.shared.hooks).clone();
        hooks.reload();
    }

    /// Output of SIGUSR1: every part's state by name, and the status of the shutdown.
    #[must_use]
    pub fn dump(&self) -> Value {
        let hooks = lock(&self.shared.hooks).clone();
        let mut state = Map::new();
        state.insert(
            "shutdown".into(),
            serde_json::to_value(self.status()).unwrap_or(Value::Null),
        );
        hooks.dump(&mut state);
        Value::Object(state)
    }
}
