//! The shutdown of all sessions: announce, stop, wait together, destroy. It decides, and does
//! nothing: no I/O, no clock, no question to a session.
//!
//! All sessions are stopped before the first one is destroyed. Stops and destroys begin by
//! priority, lowest number first, of each the senders. A stop of a sender finishes what was submitted: receivers, which it may
//! be for, stop a moment after that, or after 50 ms; at once, if the daemon that takes over receives the same packets. A session whose users stay delays no other: it is waited for
//! beside the rest, and destroyed when its last user leaves. Sessions whose last users leave in the
//! same turn are destroyed by priority, too. One deadline applies to all. Once it has passed, all
//! destroys begin, those that are ready end first, and looks are bounded: the end comes however long
//! a step takes.
//!
//! *For a daemon that takes over* no session waits for the users of another one. A destroy has 100 ms; one that gave up
//! begins again with twice the time, until only sessions are left that have users. These get the remedy.
//!
//! [`ShutdownCore::handle`] takes what has happened. [`ShutdownCore::next`] gives one effect at a
//! time; the driver executes it, reports what it changed, and asks again for as long as it has time.
//!
//! | file | noun |
//! |---|---|
//! | `boundary` | what the core and its driver say to each other |
//! | `roster` | the sessions, as far as the shutdown knows them |
//! | `classes` | which session is destroyed when |
//! | `examinations` | which sessions are looked at, and which end, next |
//! | `finishing` | until when receivers go on for senders |
//! | `count` | when the remaining users are counted |
//! | `drain` | the phases from the first stop to the end |

mod boundary;
mod classes;
mod count;
mod drain;
mod examinations;
mod finishing;
mod roster;

use std::collections::BTreeSet;
use std::time::Instant;

use onair_api::SessionOutcome;
use onair_mutant::mutant;

pub use self::boundary::{
    LastUnits, Remedy, ShutdownEffect, ShutdownEvent, ShutdownOrder, ShutdownStep, ToEnd,
};
use self::drain::Drain;

/// The shutdown of all sessions, from before it begins.
#[derive(Debug, Default)]
pub struct ShutdownCore {
    /// Sessions whose clients are still to be told that the daemon exits.
    announcing: BTreeSet<u64>,
    drain: Option<Drain>,
}

impl ShutdownCore {
    /// Whether the sessions are being ended.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.drain.is_some()
    }

    /// Takes note of what has happened.
    pub fn handle(&mut self, event: ShutdownEvent, now: Instant) {
        match (event, &mut self.drain) {
            (ShutdownEvent::Announce(sessions), None) => self.announcing.extend(sessions),
            (ShutdownEvent::Drain(order), None) => self.drain = Some(Drain::begin(order, now)),
            (event, Some(drain)) => drain.handle(event, now),
            // Of a session that is not being ended nothing is to be known.
            (_, None) => {}
        }
    }

    /// The next step. All clients are told before the first session stops: before a caller gets `EAGAIN`.
    #[must_use]
    pub fn next(&mut self, now: Instant) -> ShutdownStep {
        let late = mutant!("shutdown: clients are told after the stops")
            && self.drain.as_ref().is_some_and(Drain::is_stopping);
        if !late && let Some(id) = self.announcing.pop_first() {
            return ShutdownStep::Do(ShutdownEffect::Announce(id));
        }
        match &mut self.drain {
            Some(drain) => drain.next(now),
            None => ShutdownStep::Wait(None),
        }
    }

    /// How each session ended, in the order of the stops. What is left counts as abandoned.
    pub fn outcomes(&self) -> impl Iterator<Item = (u64, SessionOutcome)> {
        self.drain.iter().flat_map(Drain::outcomes)
    }
}
