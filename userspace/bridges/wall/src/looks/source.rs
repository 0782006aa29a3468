//! An attached session, of which looks are made.

use std::time::{Duration, Instant};

use onair::{Buffer, Contents, Error, Session, Timeout};
use onair_api::SessionId;

use super::Wish;
use super::essence::{Eye, RawLook};

/// Longest time between two turns of sound.
const TURN: Duration = Duration::from_millis(20);
/// Shortest one.
const SHORTEST: Duration = Duration::from_millis(1);

/// An attached session.
#[derive(Debug)]
pub(super) struct Source {
    session: Session<Contents>,
    eye: Eye,
    due: Instant,
    turn: Instant,
}

impl Source {
    /// Of a session that was attached.
    ///
    /// # Errors
    /// Why it is not shown, in a sentence.
    pub(super) fn new(session: Session<Contents>) -> Result<Self, String> {
        let eye = Eye::of(&session)?;
        let now = Instant::now();
        Ok(Self {
            session,
            eye,
            due: now,
            turn: now,
        })
    }

    /// Its id.
    pub(super) fn id(&self) -> SessionId {
        self.session.id()
    }

    /// When it is to be asked again.
    pub(super) fn turn(&self) -> Instant {
        self.turn
    }

    /// Takes what waits, and returns it: of pictures the newest, if a look is due, and of sound all.
    ///
    /// # Errors
    /// The session stopped or is gone.
    pub(super) fn look(&mut self, wish: Wish) -> Result<Option<RawLook>, Error> {
        let now = Instant::now();
        if now < self.turn {
            return Ok(None);
        }
        // Also of a session that is stopped.
        self.turn = now + TURN;
        let given = match &mut self.eye {
            Eye::Picture(painter) => {
                newest(&self.session)?.and_then(|it| painter.look(&it, wish.width))
            }
            Eye::Sound(meter) => {
                for _ in 0..2 * self.session.quota().max(1) {
                    match self.session.buffer_get(Timeout::NOW) {
                        Ok(block) => meter.add(&block),
                        Err(Error::TimedOut) => break,
                        Err(error) => return Err(error),
                    }
                }
                (now >= self.due).then(|| meter.look()).flatten()
            }
        };
        if given.is_some() {
            // In step, unless that has passed.
            self.due = (self.due + wish.every).max(now + wish.every / 2);
        }
        self.turn = match &self.eye {
            Eye::Picture(_) => self.due.max(now + TURN),
            // A quarter of the time in which the quota fills: the worker may be late by three turns.
            Eye::Sound(meter) => {
                let quota = u32::try_from(self.session.quota()).unwrap_or(u32::MAX);
                let fills = meter.unit().saturating_mul(quota);
                now + (fills / 4).clamp(SHORTEST, TURN)
            }
        };
        Ok(given)
    }
}

/// The newest frame that waits.
fn newest(session: &Session<Contents>) -> Result<Option<Buffer<'_, Contents>>, Error> {
    let mut newest = None;
    for _ in 0..session.quota().max(1) {
        match session.buffer_get(Timeout::NOW) {
            Ok(frame) => newest = Some(frame),
            Err(Error::TimedOut | Error::AllHeld { .. }) => break,
            Err(error) => return Err(error),
        }
    }
    Ok(newest)
}
