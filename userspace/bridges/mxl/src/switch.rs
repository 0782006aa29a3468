//! The sessions that are carried now: from the settings first, then changed by the control socket.

use std::sync::{Mutex, PoisonError};

use uuid::Uuid;

/// Whether a session is carried, and by which flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// It is carried.
    pub active: bool,
    /// The flow; `None`: none was named yet, so nothing is carried.
    pub flow: Option<Uuid>,
}

/// The position of one session, and who reads it: the thread that carries it looks before each unit.
#[derive(Debug)]
pub struct Switch(Mutex<Position>);

impl Switch {
    /// At this position.
    #[must_use]
    pub const fn new(position: Position) -> Self {
        Self(Mutex::new(position))
    }

    /// Where it is.
    #[must_use]
    pub fn position(&self) -> Position {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The flow to carry, if one is to be.
    #[must_use]
    pub fn flow(&self) -> Option<Uuid> {
        let position = self.position();
        position.flow.filter(|_| position.active)
    }

    /// Moves it.
    pub fn set(&self, position: Position) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = position;
    }
}
