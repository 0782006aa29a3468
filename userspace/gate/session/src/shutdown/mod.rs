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
//! | `drain` | the phases from the first stop to the end |

mod boundary;
mod classes;
mod drain;
mod roster;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use onair_api::SessionOutcome;
use onair_mutant::mutant;

use self::drain::Drain;
use roster::Roster;

pub use self::boundary::{
    LastUnits, Remedy, ShutdownEffect, ShutdownEvent, ShutdownOrder, ShutdownStep, ToEnd,
};

/// How long senders may finish what was submitted: more than the longest unit (23.98 a second).
const LONGEST: Duration = Duration::from_millis(50);
/// With less time until the deadline receivers stop at once: they have to end, too.
const ENOUGH: Duration = Duration::from_secs(1);
/// How long the last packets may be on their way, and a client may need to take their unit.
const ON_THE_WAY: Duration = Duration::from_millis(2);
/// Sessions that are destroyed in one effect. More would make a step longer, and each no cheaper.
const TOGETHER: usize = 16;
/// How often sessions may be examined once time is up, beside twice for each.
const MORE: usize = 32;

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

/// The units that stopped senders finish: receivers of this daemon may be waiting for them.
#[derive(Debug)]
struct Finishing {
    /// Senders whose pollers have their runtimes.
    senders: BTreeSet<u64>,
    latest: Instant,
    until: Instant,
}

impl Finishing {
    /// Of a shutdown whose users have until `deadline`.
    fn new(now: Instant, deadline: Instant) -> Self {
        let has_time = deadline.saturating_duration_since(now) >= ENOUGH;
        Self {
            senders: BTreeSet::new(),
            latest: if has_time { now + LONGEST } else { now },
            until: now,
        }
    }

    /// A sender is being stopped.
    fn begin(&mut self, id: u64) {
        self.senders.insert(id);
        self.until = self.latest;
    }

    /// The runtime of a session is back.
    fn end(&mut self, id: u64, now: Instant) {
        if self.senders.remove(&id) && self.senders.is_empty() {
            self.until = self.latest.min(now + ON_THE_WAY);
        }
    }

    /// When receivers stop.
    fn until(&self) -> Instant {
        self.until
    }
}

/// Sessions that are to be examined.
#[derive(Debug, Default)]
struct Examinations {
    /// Something happened to sessions which the witnesses have not been asked about.
    is_due: bool,
    /// Priority and id of sessions that can be destroyed now.
    ready: BTreeSet<(u8, u64)>,
    /// How many more may come. A session to which something happens all the time does not delay the end.
    left: usize,
}

impl Examinations {
    /// From now on each session may be examined as its destroy begins, and as that gives up.
    fn allow_each(&mut self, roster: &Roster) {
        self.left = 2 * roster.order().count() + MORE;
    }

    /// The next one. While users have time, all that happened is looked at before the first session is
    /// destroyed: of those that become empty together, the lowest priority number is first. Once time is up
    /// no session waits for looks at others.
    fn next(&mut self, is_up: bool) -> Option<ShutdownEffect> {
        let is_first = is_up || mutant!("shutdown: sessions end before all are examined");
        let ends = is_first && !self.ready.is_empty();
        if !ends && std::mem::take(&mut self.is_due) && self.left > 0 {
            self.left -= 1;
            return Some(ShutdownEffect::Examine);
        }
        let some = std::iter::from_fn(|| self.ready.pop_first());
        let some: Vec<u64> = some.take(TOGETHER).map(|(_, id)| id).collect();
        (!some.is_empty()).then_some(ShutdownEffect::EndInTurn(some))
    }
}
