//! Actions of SIGHUP and SIGUSR1. The parts of the daemon register them.

use std::sync::Arc;

use onair_workers::panic_text;
use serde_json::{Map, Value};

use super::coordinator::{ShutdownCoordinator, lock};

type Reload = Arc<dyn Fn() + Send + Sync>;
type Dump = Arc<dyn Fn() -> Value + Send + Sync>;

#[derive(Default)]
pub(super) struct Hooks {
    reloads: Vec<(String, Reload)>,
    dumps: Vec<(String, Dump)>,
}

impl ShutdownCoordinator {
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
        let reloads = lock(&self.shared.hooks).reloads.clone();
        for (name, reload) in reloads {
            let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reload()));
            if let Err(panic) = done {
                tracing::error!(name, panic = panic_text::of(&*panic), "a reload panicked");
            }
        }
    }

    /// Output of SIGUSR1: every part's state by name, and the status of the shutdown.
    #[must_use]
    pub fn dump(&self) -> Value {
        let dumps = lock(&self.shared.hooks).dumps.clone();
        let mut state = Map::new();
        state.insert(
            "shutdown".into(),
            serde_json::to_value(self.status()).unwrap_or(Value::Null),
        );
        for (name, dump) in dumps {
            let part = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| dump()));
            let part = part.unwrap_or_else(|panic| Value::String(panic_text::of(&*panic)));
            state.insert(name, part);
        }
        Value::Object(state)
    }
}
