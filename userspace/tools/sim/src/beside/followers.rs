//! Lives of the sessions that the daemon makes for clients: each follows its source. The core is the real one;
//! the sessions are only what it sees of them.

use std::time::{Duration, Instant};

use onair_session::{ConverterState, FollowedSource, FollowedState, FollowerAction, Followers};
use onair_sim_kernel::Random;

use crate::world::violation;

/// Looks in a life.
const LOOKS: u32 = 60;
/// Steps that one look may lead to.
const MOST: u32 = 4;
/// How long a session without a client stays.
const UNUSED: Duration = Duration::from_secs(3);
/// How long such a session may be without a client before a change, ms.
const PAUSES: [u64; 4] = [1, 400, 2_900, 3_100];

/// One session, and what must become of it.
struct Session {
    id: u64,
    seen: FollowedState,
    is_over: bool,
    unused_since: Option<Instant>,
    /// The start of its source at which it was last looked at.
    settled: Option<u64>,
    /// It was stopped since.
    was_stopped: bool,
    /// It was started again since the source's start, although it had followed that.
    was_revived: bool,
}

/// Lives the life of `seed`.
pub(super) fn live(seed: u64) {
    let mut random = Random::new(seed ^ 0x0f01_103e);
    let mut below = |limit: u64| random.below(limit);
    let (mut core, mut now) = (Followers::default(), Instant::now());
    let mut sessions: Vec<Session> = (1..=2).map(Session::new).collect();
    sessions.iter().for_each(|it| core.add(it.id));
    let mut starts = 1;
    for _ in 0..LOOKS {
        now += Duration::from_millis(PAUSES[usize::try_from(below(4)).unwrap_or(0)]);
        for session in &mut sessions {
            session.change(below(12), &mut starts, now);
        }
        for session in &mut sessions {
            if let Some(wrong) = session.look(&mut core, now) {
                return violation(format!("follower {}: {wrong}", session.id));
            }
        }
    }
}

impl Session {
    fn new(id: u64) -> Self {
        Self {
            id,
            seen: FollowedState {
                source: FollowedSource::Stopped,
                runs: false,
                thread: ConverterState::Lives,
                is_draining: false,
                has_clients: true,
            },
            is_over: false,
            unused_since: None,
            settled: None,
            was_stopped: false,
            was_revived: false,
        }
    }

    /// Something happens to it, to its source, or to its clients.
    fn change(&mut self, what: u64, starts: &mut u64, now: Instant) {
        let seen = &mut self.seen;
        match what {
            0..=4 if seen.source == FollowedSource::Gone => {}
            0..=2 => {
                *starts += 1;
                seen.source = FollowedSource::Running(*starts);
            }
            3 => seen.source = FollowedSource::Stopped,
            4 if starts.is_multiple_of(5) => seen.source = FollowedSource::Gone,
            5 if seen.runs => (seen.runs, seen.thread) = (false, ConverterState::Dying),
            6 | 7 if seen.thread == ConverterState::Dying => seen.thread = ConverterState::Dead,
            8 => seen.has_clients = false,
            9 => seen.has_clients = true,
            // An operator's stop.
            10 if starts.is_multiple_of(3) => seen.runs = false,
            // Its destroy is over, or gave up.
            11 if seen.is_draining && starts.is_multiple_of(2) => self.is_over = true,
            11 => seen.is_draining = false,
            _ => {}
        }
        match self.seen.has_clients {
            true => self.unused_since = None,
            false => drop(self.unused_since.get_or_insert(now)),
        }
    }

    /// Does what the core says. Returns what is wrong.
    fn look(&mut self, core: &mut Followers, now: Instant) -> Option<String> {
        let running = match self.seen.source {
            FollowedSource::Running(start) => Some(start),
            FollowedSource::Stopped | FollowedSource::Gone => None,
        };
        if running != self.settled {
            (self.was_stopped, self.was_revived) = (self.settled.is_none(), false);
        }
        for _ in 0..MOST {
            let seen = (!self.is_over).then_some(self.seen);
            let Some(action) = core.next(self.id, seen, now) else {
                return self.settle(running);
            };
            let wrong = self.act(action, running, now);
            if wrong.is_some() || matches!(action, FollowerAction::End | FollowerAction::Abort) {
                return wrong.or_else(|| self.settle(running));
            }
        }
        Some(format!("no end of steps at {:?}", self.seen))
    }

    fn act(
        &mut self,
        action: FollowerAction,
        running: Option<u64>,
        now: Instant,
    ) -> Option<String> {
        let seen = &mut self.seen;
        match action {
            FollowerAction::Start => {
                (seen.runs, seen.thread) = (true, ConverterState::Lives);
                let is_revival = running == self.settled;
                if is_revival && std::mem::replace(&mut self.was_revived, true) {
                    return Some("started again and again".into());
                }
            }
            FollowerAction::Stop => (seen.runs, self.was_stopped) = (false, true),
            FollowerAction::End | FollowerAction::Abort => {
                let is_unused = self.unused_since.is_some_and(|at| now >= at + UNUSED);
                (seen.runs, seen.is_draining) = (false, true);
                if seen.source != FollowedSource::Gone && !is_unused {
                    return Some(format!("ended although it is used: {seen:?}"));
                }
            }
        }
        None
    }

    /// Nothing is left to be done.
    fn settle(&mut self, running: Option<u64>) -> Option<String> {
        let before = std::mem::replace(&mut self.settled, running);
        if self.is_over || self.seen.is_draining {
            // What its source does meanwhile is not followed.
            (self.settled, self.was_stopped) = (None, true);
            return None;
        }
        if self.seen.source == FollowedSource::Gone {
            return Some("outlives its source".into());
        }
        let misses = before.is_some() && before != running && !self.was_stopped;
        misses.then(|| format!("not stopped with its source: {:?}", self.seen))
    }
}
