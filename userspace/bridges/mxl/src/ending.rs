//! The end of the program.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Whether the threads are to end.
#[derive(Debug, Default)]
pub struct Ending {
    is_here: Mutex<bool>,
    changed: Condvar,
}

impl Ending {
    /// Whether it is the end.
    #[must_use]
    pub fn is_here(&self) -> bool {
        *self.is_here.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// It is the end.
    pub fn begin(&self) {
        *self.is_here.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.changed.notify_all();
    }

    /// Sleeps so long, or until the end.
    pub fn wait(&self, pause: Duration) {
        let is_here = self.is_here.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.changed.wait_timeout_while(is_here, pause, |it| !*it));
    }
}
