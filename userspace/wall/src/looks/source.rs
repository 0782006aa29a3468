//! An attached session, of which looks are made.

use std::time::{Duration, Instant};

use onair::{Contents, Error, Session, Timeout};
use onair_api::SessionId;

use super::Wish;
use super::essence::{Eye, Given};

/// An attached session.
#[derive(Debug)]
pub(super) struct Source {
    session: Session<Contents>,
    eye: Eye,
    due: Instant,
}

impl Source {
    /// Of a session that was attached.
    ///
    /// # Errors
    /// Why it is not shown, in a sentence.
    pub(super) fn new(session: Session<Contents>) -> Result<Self, String> {
        let eye = Eye::of(&session)?;
        let due = Instant::now();
        Ok(Self { session, eye, due })
    }

    /// Its id.
    pub(super) fn id(&self) -> SessionId {
        self.session.id()
    }

    /// Number of its attachment.
    pub(super) fn attachment(&self) -> u64 {
        self.session.attachment()
    }

    /// The time in which a quarter of its quota fills: the worker may be late by three turns.
    pub(super) fn patience(&self) -> Duration {
        let quota = u32::try_from(self.session.quota()).unwrap_or(u32::MAX);
        self.eye.unit().saturating_mul(quota) / 4
    }

    /// Takes all that is there, and returns it.
    ///
    /// # Errors
    /// The session stopped or is gone.
    pub(super) fn drain(&mut self, wish: Wish) -> Result<Option<Given>, Error> {
        let mut given = None;
        // A quota and what arrives meanwhile: a turn of the others is not far.
        for _ in 0..2 * self.session.quota().max(1) {
            let now = Instant::now();
            let buffer = match self.session.buffer_get(Timeout::NOW) {
                Ok(buffer) => buffer,
                Err(Error::TimedOut) => break,
                Err(error) => return Err(error),
            };
            let look = self.eye.read(&buffer, now >= self.due, wish.width);
            drop(buffer);
            if look.is_some() {
                // In step, unless that has passed.
                self.due = (self.due + wish.every).max(now + wish.every / 2);
                given = look;
            }
        }
        Ok(given)
    }
}
