//! Mortal tasks: a process, or a single thread.

use std::cell::Cell;
use std::rc::Rc;

use crate::engine;

/// A process, or a single thread, that can be killed.
#[derive(Clone, Debug, Default)]
pub struct Mortal(Rc<Cell<bool>>);

impl Mortal {
    /// Whether it was killed.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.0.get()
    }

    /// SIGKILL: none of its tasks makes another step.
    pub fn kill(&self) {
        if !self.0.replace(true) {
            engine::doom(self);
        }
    }

    pub(crate) fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}
