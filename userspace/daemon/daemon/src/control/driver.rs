//! Drives the actor: carries inputs to it, sleeps while it has nothing to do, and tells the service manager that the
//! thread makes progress. What a turn is for: [`onair_engine::actor`].

use onair_archive::Unread;
use onair_engine::actor::Actor;
use onair_engine::inputs::{ActorCommand, Input};
use onair_engine::schedule::serve_within_a_turn;
use onair_engine::services::Services;
use onair_workers::WorkerGuard;
use tokio::sync::mpsc::UnboundedReceiver;

use super::inputs::{Inbox, Inputs};
use crate::process::notify::{self, Watchdog};
use crate::shutdown::ShutdownCoordinator;
use crate::takeover::Takeover;

/// The actor with its inputs.
pub(super) struct Driver<'a> {
    actor: Actor,
    inputs: Inputs,
    shutdown: ShutdownCoordinator,
    watchdog: Option<Watchdog>,
    /// Counts requests.
    worker: &'a WorkerGuard,
}

impl<'a> Driver<'a> {
    /// # Errors
    /// The kernel's: out of descriptors.
    pub(super) fn new(
        services: Services,
        inbox: Inbox,
        shutdown: ShutdownCoordinator,
        worker: &'a WorkerGuard,
    ) -> std::io::Result<Self> {
        Ok(Self {
            actor: Actor::new(services),
            inputs: Inputs::open(inbox)?,
            shutdown,
            watchdog: Watchdog::from_environment(),
            worker,
        })
    }

    /// Runs until [`ActorCommand::Drain`] is done, first of all with the sessions that come back: the certificates of
    /// earlier daemons are read when these run. Memory that clients keep is left to `takeover`. Returns the services, to be ended, and the commands that are
    /// still to come.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) async fn run(
        mut self,
        unread: Unread,
        takeover: &Takeover,
    ) -> std::io::Result<(Services, UnboundedReceiver<ActorCommand>)> {
        self.actor.restore();
        self.inputs.read_certificates(unread)?;
        loop {
            self.actor.work();
            if self.actor.is_over() {
                break;
            }
            self.wait().await?;
            self.serve();
            self.actor.examine_due();
        }
        self.actor
            .end(|charge, files| takeover.leave_memory(charge, &files));
        Ok((self.actor.into_services(), self.inputs.into_commands()))
    }

    /// Waits until a message arrives or a task is due, and serves the first message.
    async fn wait(&mut self) -> std::io::Result<()> {
        // The watchdog is not a task: it is fed after the sockets were served.
        let watchdog = self.watchdog.as_ref().map(Watchdog::due);
        let task = self.actor.wake_at();
        let wake = watchdog.map_or(task, |due| due.min(task));
        let is_ending = self.actor.is_ending();
        let forced = is_ending.then(|| self.shutdown.forced_token());
        let rest = self.actor.has_work();
        if let Some(input) = self.inputs.next(wake, rest, forced).await? {
            self.take(input);
        }
        Ok(())
    }

    /// Serves waiting messages, one of each source in rotation, until none waits or the turn's time
    /// is over. Then feeds the watchdog.
    fn serve(&mut self) {
        let clock = self.actor.clock();
        serve_within_a_turn(
            || clock.now(),
            || {
                let some = self.inputs.one_of_each();
                let any = !some.is_empty();
                some.into_iter().for_each(|input| self.take(input));
                any
            },
        );
        let now = clock.now();
        let is_due = self.watchdog.as_mut().is_some_and(|it| it.is_due(now));
        // While no poller works, only a restart helps.
        if is_due && !self.actor.is_stalled() {
            notify::send("WATCHDOG=1");
        }
    }

    fn take(&mut self, input: Input) {
        self.actor.note_waiting(self.inputs.waiting());
        let is_request = matches!(input, Input::Action(_) | Input::Attach(_));
        let has_more = self.actor.take(input);
        if is_request {
            self.worker.count_processed(1);
        }
        if !has_more {
            self.inputs.no_poller_event();
        }
    }
}
