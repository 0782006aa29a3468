//! Actions of SIGHUP and SIGUSR1. The parts of the daemon register them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use onair_workers::panic_text;
use serde_json::{Map, Value};

pub(in crate::shutdown) type Reload = Arc<dyn Fn() + Send + Sync>;
pub(in crate::shutdown) type Dump = Arc<dyn Fn() -> Value + Send + Sync>;

#[derive(Clone, Default)]
pub(in crate::shutdown) struct Hooks {
    pub(in crate::shutdown) reloads: Vec<(String, Reload)>,
    pub(in crate::shutdown) dumps: Vec<(String, Dump)>,
}

impl Hooks {
    /// Runs the actions of SIGHUP.
    pub(in crate::shutdown) fn reload(&self) {
        for (name, reload) in &self.reloads {
            let done = catch_unwind(AssertUnwindSafe(|| reload()));
            if let Err(panic) = done {
                tracing::error!(name, panic = panic_text::of(&*panic), "a reload panicked");
            }
        }
    }

    /// Adds every part's state to `state`, by name.
    pub(in crate::shutdown) fn dump(&self, state: &mut Map<String, Value>) {
        for (name, dump) in &self.dumps {
            let part = catch_unwind(AssertUnwindSafe(|| dump()));
            let part = part.unwrap_or_else(|panic| Value::String(panic_text::of(&*panic)));
            state.insert(name.clone(), part);
        }
    }
}
