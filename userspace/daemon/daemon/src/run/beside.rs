//! Work that goes on beside the rest of the start.

use std::panic::resume_unwind;
use std::thread::{Builder, JoinHandle};

use super::{RunError, system};

/// Work on a thread of its own, or its result. Dropping it waits for the end: a start that has failed must not leave the process
/// while a library is being loaded.
#[derive(Debug)]
pub(super) struct Beside<T>(Option<Work<T>>);

#[derive(Debug)]
enum Work<T> {
    Begun(JoinHandle<T>),
    Done(T),
}

impl<T: Send + 'static> Beside<T> {
    /// Begins `work` on a thread called `name`.
    ///
    /// # Errors
    /// No thread.
    pub(super) fn begin(
        name: &str,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<Self, RunError> {
        let thread = Builder::new().name(name.into()).spawn(work);
        let thread = thread.map_err(system("cannot start a thread"))?;
        Ok(Self(Some(Work::Begun(thread))))
    }

    /// The result of work that has ended.
    pub(super) fn done(result: T) -> Self {
        Self(Some(Work::Done(result)))
    }

    /// Its result, once it has ended.
    ///
    /// # Panics
    /// If the work panicked.
    pub(super) fn result(mut self) -> T {
        match self.0.take().expect("taken here alone") {
            Work::Begun(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            Work::Done(result) => result,
        }
    }
}

impl<T> Drop for Beside<T> {
    fn drop(&mut self) {
        if let Some(Work::Begun(thread)) = self.0.take() {
            // A panic was logged, and the start has failed.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn work_whose_start_failed_then_waited_for() {
        let (go_on, wait) = channel::<()>();
        let has_ended = Arc::new(AtomicBool::new(false));
        let ends = Arc::clone(&has_ended);
        let work = move || {
            // The sender is dropped.
            let _ = wait.recv();
            ends.store(true, Ordering::SeqCst);
        };
        let work = Beside::begin("test", work).unwrap();
        drop(go_on);
        drop(work);
        assert!(has_ended.load(Ordering::SeqCst));
        assert_eq!(Beside::begin("test", || 7).unwrap().result(), 7);
    }
}
