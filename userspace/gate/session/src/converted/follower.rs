//! Life of a converted session that the daemon made for clients: it follows its source.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use onair_mutant::mutant;

/// Such a session stays for this long without a client: a client that leaves and comes back, or the next one,
/// finds it.
pub const UNUSED: Duration = Duration::from_secs(3);
/// Pause before another try to end a follower, if the last one was refused.
const AGAIN: Duration = Duration::from_secs(1);

/// All converted sessions that the daemon made for clients, by id.
#[derive(Debug, Default)]
pub struct Followers(BTreeMap<u64, Follower>);

impl Followers {
    /// The daemon made this session for clients.
    pub fn add(&mut self, id: u64) {
        self.0.insert(id, Follower::default());
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = u64> {
        self.0.keys().copied()
    }

    /// The source of some is being aborted: they are, too, once it is gone.
    pub fn abort(&mut self, has_it: impl Fn(u64) -> bool) {
        let followers = self.0.iter_mut().filter(|(id, _)| has_it(**id));
        followers.for_each(|(_, it)| it.is_aborted = true);
    }

    /// When to look at each. `has_changed`: a session was started, stopped or removed, or got its first client, or
    /// lost its last one.
    #[must_use]
    pub fn due(&self, now: Instant, has_changed: bool) -> Option<Instant> {
        if has_changed && !self.0.is_empty() {
            return Some(now);
        }
        self.0.values().filter_map(|it| it.look_at).min()
    }

    /// The next step of one, which is done before the next look at it. `None`: there is none. A session that is
    /// gone is forgotten.
    pub fn next(
        &mut self,
        id: u64,
        seen: Option<FollowedState>,
        now: Instant,
    ) -> Option<FollowerAction> {
        match seen {
            Some(seen) => self.0.get_mut(&id)?.next(seen, now),
            None => {
                self.0.remove(&id);
                None
            }
        }
    }
}

/// State of one such session.
#[derive(Debug, Default)]
struct Follower {
    /// Number of the source's start that it followed last; `None`: it followed the stop, or there was no start.
    started: Option<u64>,
    /// It ran, and no operator has stopped it.
    ran: bool,
    /// It was started on another thread since the source's start.
    was_revived: bool,
    /// Its source was aborted: no user of it is waited for.
    is_aborted: bool,
    /// Since when it has no client.
    unused_since: Option<Instant>,
    /// When to look again, although nothing happens.
    look_at: Option<Instant>,
}

/// The source of such a session, at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowedSource {
    /// It runs since the start of this number.
    Running(u64),
    /// It does not run.
    Stopped,
    /// It was destroyed or set aside.
    Gone,
}

/// A converted session that was made for clients, at a look.
#[derive(Clone, Copy, Debug)]
pub struct FollowedState {
    /// Its source.
    pub source: FollowedSource,
    /// It runs.
    pub runs: bool,
    /// The thread that converts its frames.
    pub thread: ConverterState,
    /// It waits to be destroyed.
    pub is_draining: bool,
    /// A client is attached, or about to be.
    pub has_clients: bool,
}

/// The thread that converts the session's frames, at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConverterState {
    /// The thread lives.
    Lives,
    /// It is dead, and the session is on its way back.
    Dying,
    /// It is dead, and the runtime is back: the session can start on another thread.
    Dead,
}

/// An action on the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FollowerAction {
    /// Start it, on another thread if its own is dead.
    Start,
    /// Stop it.
    Stop,
    /// Stop it, and destroy it when its last user has left.
    End,
    /// Destroy it despite its users.
    Abort,
}

impl Follower {
    /// The next step, which is done before the next look. Each start and each stop of the source is followed
    /// once, so that an operator's own stop of the session lasts until the source is started again. If the thread that
    /// converts dies, the session is started on another one; but once for each start of the source, because the next
    /// thread may die of the same frame.
    fn next(&mut self, seen: FollowedState, now: Instant) -> Option<FollowerAction> {
        self.look_at = None;
        if seen.has_clients {
            self.unused_since = None;
        }
        self.ran = seen.runs || self.ran && seen.thread != ConverterState::Lives;
        if seen.is_draining {
            return None;
        }
        if seen.source == FollowedSource::Gone && !mutant!("follower: outlives its source") {
            let end = self.end(now);
            return end
                .filter(|_| !self.is_aborted)
                .or(Some(FollowerAction::Abort));
        }
        if !seen.has_clients {
            let unused = mutant!(
                "follower: ends with its last client",
                Duration::ZERO,
                UNUSED
            );
            let until = *self.unused_since.get_or_insert(now) + unused;
            if now >= until {
                return self.end(now);
            }
            self.look_at = Some(until);
        }
        let running = match seen.source {
            FollowedSource::Running(start) => Some(start),
            FollowedSource::Stopped | FollowedSource::Gone => None,
        };
        if self.started.is_some()
            && self.started != running
            && !mutant!("follower: a stop of its source is not followed")
        {
            self.started = None;
            // Also if it does not run: a start may wait.
            return Some(FollowerAction::Stop);
        }
        if self.started != running {
            self.started = running;
            self.was_revived = false;
            return (!seen.runs).then_some(FollowerAction::Start);
        }
        let is_orphan = self.ran && seen.thread == ConverterState::Dead;
        let may = !self.was_revived || mutant!("follower: revived again and again");
        if running.is_some() && is_orphan && may {
            self.was_revived = true;
            return Some(FollowerAction::Start);
        }
        None
    }

    fn end(&mut self, now: Instant) -> Option<FollowerAction> {
        self.look_at = Some(now + AGAIN);
        Some(FollowerAction::End)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A session, its source and its clients.
    struct World {
        follower: Follower,
        seen: FollowedState,
        now: Instant,
    }

    impl World {
        fn new(source: FollowedSource) -> Self {
            Self {
                follower: Follower::default(),
                seen: FollowedState {
                    source,
                    runs: false,
                    thread: ConverterState::Lives,
                    is_draining: false,
                    has_clients: true,
                },
                now: Instant::now(),
            }
        }

        fn running() -> Self {
            let mut world = Self::new(FollowedSource::Running(1));
            assert_eq!(world.settle(), [FollowerAction::Start]);
            world
        }

        /// Does its steps until there is none.
        fn settle(&mut self) -> Vec<FollowerAction> {
            let mut steps = Vec::new();
            while let Some(step) = self.follower.next(self.seen, self.now) {
                assert!(steps.len() < 3, "{steps:?}");
                steps.push(step);
                match step {
                    FollowerAction::Start => {
                        (self.seen.runs, self.seen.thread) = (true, ConverterState::Lives)
                    }
                    FollowerAction::Stop => self.seen.runs = false,
                    FollowerAction::End | FollowerAction::Abort => {
                        (self.seen.runs, self.seen.is_draining) = (false, true);
                    }
                }
            }
            steps
        }

        fn source(&mut self, source: FollowedSource) -> Vec<FollowerAction> {
            self.seen.source = source;
            self.settle()
        }
    }

    #[test]
    fn source_stopped_and_started_then_each_is_followed_once() {
        let mut world = World::running();
        assert_eq!(world.settle(), []);
        assert_eq!(
            world.source(FollowedSource::Stopped),
            [FollowerAction::Stop]
        );
        assert_eq!(world.settle(), []);
        assert_eq!(
            world.source(FollowedSource::Running(2)),
            [FollowerAction::Start]
        );
        // Between two looks: no caller misses the stop.
        assert_eq!(
            world.source(FollowedSource::Running(3)),
            [FollowerAction::Stop, FollowerAction::Start]
        );
    }

    #[test]
    fn source_stopped_when_a_client_comes_then_started_with_it() {
        let mut world = World::new(FollowedSource::Stopped);
        assert_eq!(world.settle(), []);
        let running = world.source(FollowedSource::Running(1));
        assert_eq!(running, [FollowerAction::Start]);
    }

    #[test]
    fn session_stopped_or_started_by_an_operator_then_left_so() {
        let mut world = World::running();
        world.seen.runs = false;
        assert_eq!(world.settle(), []);
        assert_eq!(
            world.source(FollowedSource::Stopped),
            [FollowerAction::Stop]
        );
        world.seen.runs = true;
        assert_eq!(world.settle(), []);
        assert_eq!(world.source(FollowedSource::Running(2)), []);
        assert_eq!(
            world.source(FollowedSource::Stopped),
            [FollowerAction::Stop]
        );
        assert_eq!(
            world.source(FollowedSource::Running(3)),
            [FollowerAction::Start]
        );
    }

    #[test]
    fn thread_dies_then_started_anew_once_for_each_source_start() {
        let mut world = World::running();
        let die = |world: &mut World| {
            (world.seen.runs, world.seen.thread) = (false, ConverterState::Dying);
            assert_eq!(world.settle(), []);
            world.seen.thread = ConverterState::Dead;
            world.settle()
        };
        assert_eq!(die(&mut world), [FollowerAction::Start]);
        assert_eq!(die(&mut world), []);
        assert_eq!(
            world.source(FollowedSource::Stopped),
            [FollowerAction::Stop]
        );
        assert_eq!(
            world.source(FollowedSource::Running(2)),
            [FollowerAction::Start]
        );
        assert_eq!(die(&mut world), [FollowerAction::Start]);
        // An operator has stopped it before.
        assert_eq!(
            world.source(FollowedSource::Running(3)),
            [FollowerAction::Stop, FollowerAction::Start]
        );
        world.seen.runs = false;
        assert_eq!(world.settle(), []);
        assert_eq!(die(&mut world), []);
    }

    #[test]
    fn session_unused_then_ended_after_the_interval_unless_used() {
        let mut world = World::running();
        world.seen.has_clients = false;
        assert_eq!(world.settle(), []);
        assert_eq!(world.follower.look_at, Some(world.now + UNUSED));
        world.now += UNUSED - MS;
        assert_eq!(world.settle(), []);
        world.seen.has_clients = true;
        world.now += MS;
        assert_eq!(world.settle(), []);
        assert_eq!(world.follower.look_at, None);
        world.seen.has_clients = false;
        assert_eq!(world.settle(), []);
        world.now += UNUSED;
        assert_eq!(world.settle(), [FollowerAction::End]);
    }

    #[test]
    fn source_gone_then_ended_and_again_if_that_does_not_last() {
        let mut world = World::running();
        assert_eq!(world.source(FollowedSource::Gone), [FollowerAction::End]);
        assert_eq!(world.follower.look_at, None);
        // Its destroy was refused, or gave up.
        world.seen.is_draining = false;
        let step = world.follower.next(world.seen, world.now);
        assert_eq!(
            (step, world.follower.look_at),
            (Some(FollowerAction::End), Some(world.now + AGAIN))
        );
    }

    #[test]
    fn source_aborted_then_aborted_with_it_and_not_before() {
        let (mut all, now) = (Followers::default(), Instant::now());
        all.add(1);
        all.add(2);
        all.abort(|id| id == 2);
        let mut next = |id, source| all.next(id, Some(World::new(source).seen), now);
        assert_eq!(next(2, FollowedSource::Stopped), None);
        assert_eq!(next(1, FollowedSource::Gone), Some(FollowerAction::End));
        assert_eq!(next(2, FollowedSource::Gone), Some(FollowerAction::Abort));
    }

    #[test]
    fn followers_due_at_a_change_or_when_one_asked_to_be() {
        let (mut all, now) = (Followers::default(), Instant::now());
        assert_eq!(all.due(now, true), None);
        let world = World::running();
        let used = world.seen;
        let unused = FollowedState {
            has_clients: false,
            ..used
        };
        for (id, seen) in [(1, used), (2, unused), (3, unused)] {
            all.add(id);
            let at = now + MS * u32::try_from(id).unwrap();
            while all.next(id, Some(seen), at).is_some() {}
        }
        assert_eq!(all.due(now, true), Some(now));
        assert_eq!(all.due(now, false), Some(now + MS * 2 + UNUSED));
        assert_eq!(all.next(2, None, now), None);
        assert_eq!(all.ids().collect::<Vec<_>>(), [1, 3]);
        assert_eq!(all.due(now, false), Some(now + MS * 3 + UNUSED));
        // Forgotten: it has no step, whatever is seen.
        assert_eq!(all.next(2, Some(used), now), None);
    }
}
