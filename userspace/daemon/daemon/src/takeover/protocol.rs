//! Messages of predecessor and successor, and the next step of each. Pure. It decides, and does nothing.

use serde::{Deserialize, Serialize};

use super::Listening;

/// Version of the messages. A predecessor leaves nothing to a successor of another one.
pub(super) const VERSION: u32 = 3;

/// A message, one packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub(super) enum Message {
    /// Of the predecessor, first: processes that its probe watches. They attach again.
    Clients {
        /// Their ids.
        pids: Vec<u32>,
    },
    /// The successor has done what needs nothing of the predecessor.
    Prepared {
        /// [`VERSION`] of the successor.
        protocol: u32,
        /// Version of the daemon.
        version: String,
        /// It takes [`Message::Memory`].
        #[serde(default)]
        takes_memory: bool,
    },
    /// The predecessor's ports on AF_XDP have left their queues: the kernel frees them now.
    Left,
    /// With descriptors: memory of an ended session that clients have. The successor completes its certificate.
    Memory {
        /// The session.
        session: u64,
        /// The user to which it is charged.
        uid: u32,
        /// Number of the session's files, which come in several messages.
        files: usize,
    },
    /// With descriptors: the lock of the state directory, then these sockets in order.
    Yours {
        /// The sockets of the descriptors after the first one.
        sockets: Vec<Listening>,
    },
    /// The successor has them.
    Taken,
}

/// Where the predecessor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PredecessorState {
    /// It serves; the successor prepares.
    Waiting,
    /// It shuts down for the successor.
    Ending,
    /// It has sent `yours`.
    Sent,
    /// Nothing is left to decide.
    Over,
}

/// An event of the predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PredecessorEvent {
    /// `prepared`, with this version of the messages.
    Prepared(u32),
    /// The successor has ended, or what it says is unintelligible.
    Gone,
    /// The successor takes too long.
    Late,
    /// The predecessor ends for another reason.
    Stopped,
    /// The predecessor has nothing open any more but its sockets and the lock; `true`: each part ended in order.
    Released(bool),
    /// `taken`.
    Taken,
}

/// A step of the predecessor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum PredecessorStep {
    /// End the successor, and go on as without it.
    Refuse,
    /// Begin the shutdown.
    ShutDown,
    /// Send `yours`.
    HandOver,
    /// End: the successor has everything, or takes it when this process has ended.
    End,
    /// End as failed: there is no successor, the service manager has to start one.
    EndAlone,
}

impl PredecessorState {
    /// The next step after `event`. `None`: it changes nothing.
    pub(super) fn next(&mut self, event: PredecessorEvent) -> Option<PredecessorStep> {
        use PredecessorEvent as Event;
        use PredecessorStep as Step;
        let (state, step) = match (*self, event) {
            (Self::Waiting, Event::Prepared(VERSION)) => (Self::Ending, Step::ShutDown),
            (Self::Waiting, Event::Prepared(_) | Event::Gone | Event::Late)
            | (Self::Waiting | Self::Ending, Event::Stopped) => (Self::Over, Step::Refuse),
            (Self::Ending, Event::Released(true)) => (Self::Sent, Step::HandOver),
            (Self::Ending, Event::Released(false)) | (Self::Sent, Event::Taken) => {
                (Self::Over, Step::End)
            }
            (Self::Ending | Self::Sent, Event::Gone) | (Self::Sent, Event::Late) => {
                (Self::Over, Step::EndAlone)
            }
            _ => return None,
        };
        *self = state;
        Some(step)
    }
}

/// An event of the successor while it waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SuccessorEvent {
    /// `yours`.
    Yours,
    /// The predecessor has ended, and with it all that it did not hand over.
    Gone,
}

/// A step of the successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SuccessorStep {
    /// Say `taken`, and use what came.
    Take,
    /// Take the lock as every start does.
    Lock,
}

impl SuccessorEvent {
    /// The next step.
    pub(super) fn step(self) -> SuccessorStep {
        match self {
            Self::Yours => SuccessorStep::Take,
            Self::Gone => SuccessorStep::Lock,
        }
    }
}

#[cfg(test)]
mod tests {
    //! Every order of steps, messages and deaths of the two processes.

    use std::collections::{BTreeSet, HashSet, VecDeque};

    use super::*;

    /// A successor, as the kernel and the predecessor see it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Life {
        Preparing,
        Waiting,
        /// It has the lock, and uses the directory.
        Serving,
        Dead,
    }

    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    enum Packet {
        Prepared,
        Yours,
        Taken,
    }

    #[derive(Clone, Debug, PartialEq, Eq, Hash)]
    struct World {
        predecessor: PredecessorState,
        predecessor_lives: bool,
        /// It uses the directory: from its own start until it hands over.
        predecessor_uses: bool,
        has_released: bool,
        ended_as_failed: bool,
        is_told_to_end: bool,
        successor: Life,
        to_predecessor: Vec<Packet>,
        to_successor: Vec<Packet>,
        /// Processes whose descriptors hold the lock, and `S` for the socket.
        lock: BTreeSet<char>,
        deaths: u8,
    }

    impl World {
        fn new() -> Self {
            Self {
                predecessor: PredecessorState::Waiting,
                predecessor_lives: true,
                predecessor_uses: true,
                has_released: false,
                ended_as_failed: false,
                is_told_to_end: false,
                successor: Life::Preparing,
                to_predecessor: Vec::new(),
                to_successor: Vec::new(),
                lock: BTreeSet::from(['p']),
                deaths: 0,
            }
        }

        fn predecessor_ends(&mut self) {
            self.predecessor_lives = false;
            self.predecessor_uses = false;
            self.lock.remove(&'p');
            self.to_predecessor.clear();
        }

        fn successor_ends(&mut self) {
            self.successor = Life::Dead;
            self.to_successor.clear();
            self.lock.remove(&'n');
            self.lock.remove(&'s');
        }

        fn predecessor_learns(&mut self, event: PredecessorEvent) {
            match self.predecessor.next(event) {
                Some(PredecessorStep::Refuse) => self.successor_ends(),
                Some(PredecessorStep::HandOver) => {
                    self.predecessor_uses = false;
                    if self.successor != Life::Dead {
                        self.lock.insert('s');
                        self.to_successor.push(Packet::Yours);
                    }
                }
                Some(PredecessorStep::End) => self.predecessor_ends(),
                Some(PredecessorStep::EndAlone) => {
                    self.ended_as_failed = true;
                    self.predecessor_ends();
                }
                Some(PredecessorStep::ShutDown) | None => {}
            }
        }

        fn successor_learns(&mut self, event: SuccessorEvent) -> bool {
            match event.step() {
                SuccessorStep::Take => {
                    self.lock.remove(&'s');
                    self.lock.insert('n');
                    self.to_predecessor.push(Packet::Taken);
                }
                // It waits until the lock is free.
                SuccessorStep::Lock if !self.lock.is_empty() => return false,
                SuccessorStep::Lock => {
                    self.lock.insert('n');
                }
            }
            self.successor = Life::Serving;
            true
        }

        /// All worlds that may come next.
        fn successors(&self) -> Vec<Self> {
            let mut next = Vec::new();
            let mut add = |change: &dyn Fn(&mut Self) -> bool| {
                let mut world = self.clone();
                if change(&mut world) && world != *self {
                    next.push(world);
                }
            };
            if self.successor == Life::Preparing {
                add(&|it| {
                    it.successor = Life::Waiting;
                    if it.predecessor_lives {
                        it.to_predecessor.push(Packet::Prepared);
                    }
                    true
                });
            }
            if self.successor == Life::Waiting {
                match self.to_successor.first() {
                    Some(Packet::Yours) => add(&|it| {
                        it.to_successor.remove(0);
                        it.successor_learns(SuccessorEvent::Yours)
                    }),
                    None if !self.predecessor_lives => {
                        add(&|it| it.successor_learns(SuccessorEvent::Gone));
                    }
                    _ => {}
                }
            }
            if self.predecessor_lives {
                match self.to_predecessor.first() {
                    Some(packet) => {
                        let event = match packet {
                            Packet::Prepared => PredecessorEvent::Prepared(VERSION),
                            Packet::Taken | Packet::Yours => PredecessorEvent::Taken,
                        };
                        add(&|it| {
                            it.to_predecessor.remove(0);
                            it.predecessor_learns(event);
                            true
                        });
                    }
                    None if self.successor == Life::Dead => add(&|it| {
                        it.predecessor_learns(PredecessorEvent::Gone);
                        true
                    }),
                    None => {}
                }
                // SIGTERM: while the successor prepares, both end.
                if self.predecessor == PredecessorState::Waiting {
                    add(&|it| {
                        it.is_told_to_end = true;
                        it.predecessor_learns(PredecessorEvent::Stopped);
                        it.predecessor_ends();
                        true
                    });
                }
                // Another version, and a successor that hangs.
                for event in [
                    PredecessorEvent::Prepared(VERSION + 1),
                    PredecessorEvent::Late,
                ] {
                    add(&|it| {
                        it.predecessor_learns(event);
                        true
                    });
                }
                if self.predecessor == PredecessorState::Ending && !self.has_released {
                    for in_order in [true, false] {
                        add(&|it| {
                            it.has_released = true;
                            it.predecessor_learns(PredecessorEvent::Released(in_order));
                            true
                        });
                    }
                }
            }
            if self.deaths < 2 {
                if self.predecessor_lives {
                    add(&|it| {
                        it.deaths += 1;
                        it.predecessor_ends();
                        true
                    });
                }
                if self.successor != Life::Dead {
                    add(&|it| {
                        it.deaths += 1;
                        it.successor_ends();
                        true
                    });
                }
            }
            next
        }

        fn serves(&self) -> bool {
            self.successor == Life::Serving || (self.predecessor_lives && self.predecessor_uses)
        }
    }

    #[test]
    fn every_order_of_steps_and_deaths_then_one_owner() {
        let first = World::new();
        let mut seen = HashSet::from([first.clone()]);
        let mut to_see = VecDeque::from([first]);
        let mut ends = BTreeSet::new();
        while let Some(world) = to_see.pop_front() {
            let successor_uses = world.successor == Life::Serving;
            assert!(
                !(world.predecessor_uses && successor_uses),
                "two: {world:?}"
            );
            assert!(
                !successor_uses || world.lock.contains(&'n'),
                "unlocked: {world:?}"
            );
            let next = world.successors();
            if next.iter().all(|it| it.deaths > world.deaths) {
                // Nothing more happens by itself.
                let is_served = world.serves();
                assert!(!(is_served && world.is_told_to_end), "not ended: {world:?}");
                assert!(
                    is_served || world.ended_as_failed || world.is_told_to_end || world.deaths > 0,
                    "nobody serves, and nobody was killed: {world:?}"
                );
                ends.insert((is_served, world.ended_as_failed, world.predecessor_lives));
            }
            for world in next {
                if seen.insert(world.clone()) {
                    to_see.push_back(world);
                }
            }
        }
        assert!(seen.len() > 30, "{}", seen.len());
        // Replaced; served on; the manager must start one after a death.
        assert!(ends.contains(&(true, false, false)), "{ends:?}");
        assert!(ends.contains(&(true, false, true)), "{ends:?}");
        assert!(ends.contains(&(false, true, false)), "{ends:?}");
    }
}
