//! What becomes of a converted session that the daemon made for clients: it follows its source. Pure, without
//! a clock.

use std::time::{Duration, Instant};

use onair_api::SessionName;
use onair_api::id::NAME_MAX;
use onair_mutant::mutant;
use onair_pixels::PixelFormat;

/// Such a session stays for this long without a client: a client that leaves and comes back, or the next one,
/// finds it.
pub(crate) const UNUSED: Duration = Duration::from_secs(3);
/// Pause before another try to end one.
const AGAIN: Duration = Duration::from_secs(1);

/// The course of one such session.
#[derive(Debug, Default)]
pub(crate) struct Follower {
    /// Number of the source's start that it followed last; `None`: it followed the stop, or there was no start.
    started: Option<u64>,
    /// It ran, and nobody has stopped it.
    ran: bool,
    /// It was started on another thread since the source's start.
    was_revived: bool,
    /// Since when it has no client.
    unused_since: Option<Instant>,
    /// When to look again, although nothing happens.
    pub(crate) look_at: Option<Instant>,
}

/// A source, at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// It runs since the start of this number.
    Running(u64),
    /// It does not run.
    Stopped,
    /// It was destroyed or set aside.
    Gone,
}

/// The session, at a look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FollowedState {
    pub(crate) source: Source,
    pub(crate) runs: bool,
    pub(crate) thread: Thread,
    /// It waits to be destroyed.
    pub(crate) is_draining: bool,
    pub(crate) has_clients: bool,
}

/// The thread that converts the session's frames, at a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thread {
    Lives,
    /// It is dead, and the session is on its way back.
    Dying,
    /// It is dead, and the session is here.
    Dead,
}

/// What to do with the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FollowerAction {
    Start,
    Stop,
    /// Stop it, and destroy it when its last user has left.
    End,
}

impl Follower {
    /// The next step, which is done before the next look. Each start and each stop of the source is followed
    /// once, so that an operator's own stop of the session lasts until the source is started again. If the thread that
    /// converts dies, the session is started on another one; but once for each start of the source, because the next
    /// thread may die of the same frame.
    pub(crate) fn next(&mut self, seen: FollowedState, now: Instant) -> Option<FollowerAction> {
        self.look_at = None;
        if seen.has_clients {
            self.unused_since = None;
        }
        self.ran = seen.runs || self.ran && seen.thread != Thread::Lives;
        if seen.is_draining {
            return None;
        }
        if seen.source == Source::Gone && !mutant!("follower: outlives its source") {
            return self.end(now);
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
            Source::Running(start) => Some(start),
            Source::Stopped | Source::Gone => None,
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
        let is_orphan = self.ran && seen.thread == Thread::Dead;
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

/// A free name for the session that has the frames of `source` in `layout`: both names, and a number if others
/// have that name. A long source's name is cut.
pub(crate) fn name(
    source: &SessionName,
    layout: PixelFormat,
    is_taken: impl Fn(&SessionName) -> bool,
) -> SessionName {
    let name = |number: u32| {
        let number = match number {
            1 => String::new(),
            more => format!("-{more}"),
        };
        let end = format!("-{layout}{number}");
        let source = source.as_str();
        let room = source.len().min(NAME_MAX - end.len());
        let name = format!("{}{end}", &source[..room]);
        name.parse::<SessionName>()
            .expect("a name begins it, and layouts have letters and digits")
    };
    let mut names = (1..).map(name);
    let free = names.find(|name| !is_taken(name));
    free.expect("there are fewer sessions than numbers")
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
        fn running() -> Self {
            let mut world = Self {
                follower: Follower::default(),
                seen: FollowedState {
                    source: Source::Running(1),
                    runs: false,
                    thread: Thread::Lives,
                    is_draining: false,
                    has_clients: true,
                },
                now: Instant::now(),
            };
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
                        (self.seen.runs, self.seen.thread) = (true, Thread::Lives)
                    }
                    FollowerAction::Stop => self.seen.runs = false,
                    FollowerAction::End => (self.seen.runs, self.seen.is_draining) = (false, true),
                }
            }
            steps
        }

        fn source(&mut self, source: Source) -> Vec<FollowerAction> {
            self.seen.source = source;
            self.settle()
        }
    }

    #[test]
    fn source_stopped_and_started_then_each_is_followed_once() {
        let mut world = World::running();
        assert_eq!(world.settle(), []);
        assert_eq!(world.source(Source::Stopped), [FollowerAction::Stop]);
        assert_eq!(world.settle(), []);
        assert_eq!(world.source(Source::Running(2)), [FollowerAction::Start]);
        // Between two looks: no caller misses the stop.
        assert_eq!(
            world.source(Source::Running(3)),
            [FollowerAction::Stop, FollowerAction::Start]
        );
    }

    #[test]
    fn session_stopped_or_started_by_an_operator_then_left_so() {
        let mut world = World::running();
        world.seen.runs = false;
        assert_eq!(world.settle(), []);
        assert_eq!(world.source(Source::Stopped), [FollowerAction::Stop]);
        world.seen.runs = true;
        assert_eq!(world.settle(), []);
        assert_eq!(world.source(Source::Running(2)), []);
        assert_eq!(world.source(Source::Stopped), [FollowerAction::Stop]);
        assert_eq!(world.source(Source::Running(3)), [FollowerAction::Start]);
    }

    #[test]
    fn thread_dies_then_started_anew_once_for_each_source_start() {
        let mut world = World::running();
        let die = |world: &mut World| {
            (world.seen.runs, world.seen.thread) = (false, Thread::Dying);
            assert_eq!(world.settle(), []);
            world.seen.thread = Thread::Dead;
            world.settle()
        };
        assert_eq!(die(&mut world), [FollowerAction::Start]);
        assert_eq!(die(&mut world), []);
        assert_eq!(world.source(Source::Stopped), [FollowerAction::Stop]);
        assert_eq!(world.source(Source::Running(2)), [FollowerAction::Start]);
        assert_eq!(die(&mut world), [FollowerAction::Start]);
        // An operator has stopped it before.
        assert_eq!(
            world.source(Source::Running(3)),
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
        assert_eq!(world.source(Source::Gone), [FollowerAction::End]);
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
    fn name_taken_or_too_long_then_numbered_or_cut() {
        let parse = |text: &str| text.parse::<SessionName>().unwrap();
        let taken = ["cam-v210", "cam-v210-2"].map(parse);
        let free = |_: &SessionName| false;
        let cam = parse("cam");
        assert_eq!(name(&cam, PixelFormat::V210, free), parse("cam-v210"));
        let third = name(&cam, PixelFormat::V210, |it| taken.contains(it));
        assert_eq!(third, parse("cam-v210-3"));
        let long = parse(&"c".repeat(NAME_MAX));
        for format in PixelFormat::ALL {
            let cut = name(&long, *format, free);
            assert_eq!(cut.as_str().len(), NAME_MAX);
            let numbered = name(&long, *format, |it| *it == cut);
            assert!(numbered.as_str().ends_with("-2"), "{numbered}");
        }
    }
}
