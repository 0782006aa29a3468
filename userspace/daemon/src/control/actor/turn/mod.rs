//! One turn of the control thread: serve waiting messages, do some work, let the connections run.
//!
//! Nothing may block a turn. It serves messages for at most 2 ms, one of each source in rotation.
//! Then the due tasks get 2 ms. After the messages and after the tasks, the sessions to which they
//! gave a reason are examined together, for 2 ms. Then the connections' own tasks run, and the kernel
//! reports new input. A source that is never empty gets its share and no more.

pub(super) mod events;
pub(super) mod findings;
pub(super) mod together;

use std::os::fd::OwnedFd;
use std::time::Instant;

use onair_probe::{Events, ProbeEvent};
use onair_session::Event;
use onair_workers::WorkerGuard;
use tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{Actor, Inbox, Task};
use crate::clients::inspector::Finding;
use crate::control::readable::readable;
use crate::control::schedule::{TURN, Wanted, serve_within_a_turn};
use crate::process::watchdog::Watchdog;
use crate::recorder::RecorderEvent;

/// Probe events taken in one step.
const PROBE_EVENTS: usize = 64;

/// All sources of messages to the actor.
pub(super) struct Sources {
    inbox: Inbox,
    pollers: AsyncFd<OwnedFd>,
    probe: Option<AsyncFd<OwnedFd>>,
    guard: Option<AsyncFd<OwnedFd>>,
    recorder: Option<UnboundedReceiver<RecorderEvent>>,
    findings: UnboundedReceiver<Finding>,
    /// Descriptors that became readable and have not been read until empty.
    ready: Ready,
    /// Probe events that have not been handled yet.
    probe_events: Vec<ProbeEvent>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ready {
    pollers: bool,
    probe: bool,
    guard: bool,
}

impl Sources {
    /// # Errors
    /// The kernel's: out of descriptors.
    pub(super) fn open(actor: &mut Actor, inbox: Inbox) -> std::io::Result<Self> {
        let services = &mut actor.services;
        Ok(Self {
            pollers: readable(&services.events)?,
            probe: inbox.probe.as_ref().map(readable).transpose()?,
            guard: services.guard.fd().map(readable).transpose()?,
            recorder: actor.recorder.take_events(),
            findings: services.inspector.take_findings(),
            inbox,
            ready: Ready::default(),
            probe_events: Vec::new(),
        })
    }

    /// Returns the inbox to the code that runs after the actor.
    pub(super) fn into_inbox(self) -> Inbox {
        self.inbox
    }

    fn has_rest(&self) -> bool {
        let Ready {
            pollers,
            probe,
            guard,
        } = self.ready;
        pollers || probe || guard || !self.probe_events.is_empty()
    }
}

impl Actor {
    /// Waits until a message arrives or `wake`, and serves the first one. The connections run in
    /// between even if messages wait already.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) async fn wait(
        &mut self,
        sources: &mut Sources,
        wake: Instant,
        worker: &WorkerGuard,
    ) -> std::io::Result<()> {
        tokio::task::yield_now().await;
        let has_rest =
            sources.has_rest() || !self.services.waking.is_done() || !self.due.is_empty();
        let Sources {
            inbox,
            pollers,
            probe,
            guard,
            recorder,
            findings,
            ready,
            ..
        } = sources;
        let forced = self.shutdown.forced_token();
        tokio::select! {
            biased;
            Some(command) = inbox.commands.recv() => self.handle_command(command),
            () = forced.cancelled(), if self.ending.has_begun() => {}
            found = pollers.readable() => {
                found?.clear_ready();
                ready.pollers = true;
            }
            found = when_readable(probe) => {
                found?.clear_ready();
                ready.probe = true;
            }
            found = when_readable(guard) => {
                found?.clear_ready();
                ready.guard = true;
            }
            Some(event) = recv(recorder) => self.recorder_event(event),
            Some(finding) = findings.recv() => self.found(finding),
            Some(action) = inbox.actions.recv() => {
                self.waiting = [inbox.actions.len(), inbox.attach.len()];
                self.action(action);
                worker.count_processed(1);
            }
            Some(action) = inbox.attach.recv() => {
                self.attach_action(action);
                worker.count_processed(1);
            }
            () = std::future::ready(()), if has_rest => {}
            () = tokio::time::sleep_until(wake.into()) => {}
        }
        Ok(())
    }

    /// Serves waiting messages, one of each source in rotation, until none waits or the turn's time
    /// is over.
    pub(super) fn serve(&mut self, sources: &mut Sources, worker: &WorkerGuard) {
        serve_within_a_turn(Instant::now, || self.serve_one_of_each(sources, worker));
        self.feed_watchdog(Instant::now());
    }

    fn serve_one_of_each(&mut self, sources: &mut Sources, worker: &WorkerGuard) -> bool {
        let mut any = false;
        let inbox = &mut sources.inbox;
        if let Ok(command) = inbox.commands.try_recv() {
            self.handle_command(command);
            any = true;
        }
        if let Ok(action) = inbox.actions.try_recv() {
            self.waiting = [inbox.actions.len(), inbox.attach.len()];
            self.action(action);
            worker.count_processed(1);
            any = true;
        }
        if let Ok(action) = inbox.attach.try_recv() {
            self.services.test_delay.step("attach_action");
            self.attach_action(action);
            worker.count_processed(1);
            any = true;
        }
        if sources.ready.pollers {
            self.services.test_delay.step("poller_event");
            sources.ready.pollers = self.poller_event();
            any = true;
        }
        if sources.ready.probe && sources.probe_events.is_empty() {
            sources.ready.probe = false;
            let events = sources.inbox.probe.as_mut().map(Events::drain);
            sources.probe_events.extend(events.unwrap_or_default());
        }
        if !sources.probe_events.is_empty() {
            let some = sources.probe_events.len().min(PROBE_EVENTS);
            let some: Vec<_> = sources.probe_events.drain(..some).collect();
            self.services.test_delay.step("probe_events");
            self.probe_events(&some);
            any = true;
        }
        if std::mem::take(&mut sources.ready.guard) {
            self.memory_touched();
            any = true;
        }
        if let Some(Ok(event)) = sources.recorder.as_mut().map(UnboundedReceiver::try_recv) {
            self.recorder_event(event);
            any = true;
        }
        if let Ok(finding) = sources.findings.try_recv() {
            self.services.test_delay.step("finding");
            self.found(finding);
            any = true;
        }
        any
    }

    /// Runs the due tasks in rotation, until the turn's time is over.
    pub(super) fn work(&mut self) {
        self.services.waking.turn();
        let wanted = self.wanted(Instant::now());
        let mut schedule = std::mem::take(&mut self.schedule);
        schedule.turn(&wanted, Instant::now, |task, now| self.do_task(task, now));
        self.schedule = schedule;
        self.examine_due(Instant::now(), TURN);
    }

    /// When the next task may run.
    pub(super) fn wake_at(&mut self) -> Instant {
        let now = Instant::now();
        let wanted = self.wanted(now);
        // The watchdog is not a task: it is fed after the sockets were served.
        let watchdog = self.watchdog.as_ref().map(Watchdog::due);
        let task = self.schedule.wake_at(&wanted);
        let first = task.into_iter().chain(watchdog).min();
        first.unwrap_or(now)
    }

    fn wanted(&mut self, now: Instant) -> Wanted {
        let mut wanted = Wanted::from([
            (Task::Periodic, self.periodic_at),
            (Task::Traffic, self.traffic_at),
        ]);
        // It rests briefly after each try.
        let outbox = (!self.services.flush()).then_some(now);
        let more = [
            (Task::Outbox, outbox),
            (Task::Groups, self.services.dataplane.groups_due()),
            (Task::Recordings, self.recorder.wake_at()),
            (Task::Memory, self.services.pending_reclaim.wake_at()),
            (Task::Inspections, self.services.inspector.wake_at()),
            (Task::Followers, self.followers_due(now)),
            (Task::Ending, self.ending.wake_at),
        ];
        let due = more.into_iter().filter_map(|(task, at)| Some((task, at?)));
        wanted.extend(due);
        for (at, id) in self.sessions.due() {
            let task = Task::Session(id);
            wanted.insert(task, at);
            // No later one may run before it.
            if at > now && !self.schedule.rests(task) {
                break;
            }
        }
        wanted
    }

    fn do_task(&mut self, task: Task, now: Instant) {
        self.services.test_delay.step(task.kind());
        match task {
            Task::Outbox => {
                self.services.flush();
                self.bounce();
            }
            Task::Periodic => self.run_periodic(now),
            Task::Traffic => self.look_at_traffic(now),
            Task::Groups => self.services.dataplane.serve_groups(),
            Task::Recordings => self.watch_recordings(now),
            Task::Memory => self.sweep_pending_reclaim(now + TURN),
            Task::Inspections => self.services.inspector.expire(now),
            Task::Followers => self.follow_sources(now),
            // `is_over` handles it in each turn.
            Task::Ending => {}
            Task::Session(id) => self.handle(id, Event::Tick),
        }
    }
}

async fn recv(events: &mut Option<UnboundedReceiver<RecorderEvent>>) -> Option<RecorderEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}

async fn when_readable(
    fd: &Option<AsyncFd<OwnedFd>>,
) -> std::io::Result<AsyncFdReadyGuard<'_, OwnedFd>> {
    match fd {
        Some(fd) => fd.readable().await,
        None => std::future::pending().await,
    }
}
