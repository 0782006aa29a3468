//! The reference model: what an operator expects of one session with one client.

use onair_api::Operation;

use crate::Step;

/// What can be seen of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    Running,
    Stopped,
    Draining,
    Quarantined,
    /// It ended with this certificate.
    Destroyed(Operation),
    /// It was quarantined, and its memory was freed.
    Freed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    Attached,
    Evicted,
    Dead,
}

/// The reference model.
#[derive(Debug)]
pub(crate) struct Model {
    shown: Shown,
    /// No poller has the session.
    is_here: bool,
    /// The poller takes longer than it may to hand the session back.
    is_overdue: bool,
    start_waits: bool,
    /// The request that waits for the end.
    destroy: Option<Operation>,
    client: Client,
    /// The client has a frame.
    holds: bool,
}

impl Model {
    /// Running; the poller has it.
    pub(crate) fn new() -> Self {
        Self {
            shown: Shown::Running,
            is_here: false,
            is_overdue: false,
            start_waits: false,
            destroy: None,
            client: Client::Attached,
            holds: false,
        }
    }

    pub(crate) fn shown(&self) -> Shown {
        self.shown
    }

    fn is_over(&self) -> bool {
        matches!(self.shown, Shown::Destroyed(_) | Shown::Freed)
    }

    pub(crate) fn step(&mut self, step: Step) {
        if self.is_over() {
            return;
        }
        match step {
            Step::Start if self.shown == Shown::Stopped && self.is_here => self.run(),
            Step::Start if self.shown == Shown::Stopped => self.start_waits = true,
            Step::Stop if self.shown == Shown::Running => self.shown = Shown::Stopped,
            Step::Stop => self.start_waits = false,
            Step::Destroy => self.drain(Operation::Destroy),
            Step::DestroyWait => self.drain(Operation::DestroyWait),
            Step::Abort if self.shown != Shown::Quarantined => {
                self.evict();
                self.start_waits = false;
                self.shown = Shown::Draining;
                self.destroy = Some(Operation::Abort);
            }
            Step::Quarantine if self.shown == Shown::Stopped => {
                self.start_waits = false;
                self.shown = Shown::Quarantined;
            }
            Step::Evict => self.evict(),
            Step::Take if self.shown == Shown::Running && self.client == Client::Attached => {
                self.holds = true;
            }
            Step::Put => self.holds = false,
            Step::Die => {
                self.client = Client::Dead;
                self.holds = false;
            }
            Step::Poller if self.shown != Shown::Running => {
                self.is_here = true;
                if std::mem::take(&mut self.start_waits) {
                    self.run();
                }
            }
            // A destroy that waits gives up.
            Step::Late => {
                self.is_overdue = self.shown != Shown::Running && !self.is_here;
                if self.shown == Shown::Draining {
                    self.give_up();
                }
            }
            _ => {}
        }
        self.look();
    }

    fn run(&mut self) {
        self.shown = Shown::Running;
        self.is_here = false;
        self.is_overdue = false;
    }

    /// Evicted clients are no users.
    fn evict(&mut self) {
        if self.client == Client::Attached {
            self.client = Client::Evicted;
            self.holds = false;
        }
    }

    fn drain(&mut self, operation: Operation) {
        if self.shown == Shown::Stopped && !self.start_waits {
            self.shown = Shown::Draining;
            self.destroy = Some(operation);
        }
    }

    fn give_up(&mut self) {
        self.shown = Shown::Stopped;
        self.destroy = None;
    }

    fn look(&mut self) {
        match self.destroy {
            Some(operation) if self.is_here && !self.holds => {
                self.shown = Shown::Destroyed(operation);
            }
            // It waits for the poller, while that may take its time, and for no user.
            Some(Operation::Destroy) if self.is_here || self.is_overdue => self.give_up(),
            _ => {}
        }
        let is_free = self.is_here && self.client == Client::Dead;
        if self.shown == Shown::Quarantined && is_free {
            self.shown = Shown::Freed;
        }
    }
}
