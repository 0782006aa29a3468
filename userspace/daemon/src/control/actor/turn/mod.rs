//! One turn of the control thread: serve waiting messages, do some work, let the connections run.
//!
//! Nothing may block a turn. It serves messages for at most 2 ms, one of each source in rotation.
//! Then the due tasks get 2 ms. After the messages and after the tasks, the sessions to which they
//! gave a reason are examined together, for 2 ms. Then the connections' own tasks run, and the kernel
//! reports new input. A source that is never empty gets its share and no more.

mod events;
mod together;

use std::time::Instant;

use onair_session::Event;
use onair_workers::WorkerGuard;

use super::{Actor, Task};
use crate::control::inputs::{Input, Inputs};
use crate::control::schedule::{TURN, Wanted, serve_within_a_turn};
use crate::process::watchdog::Watchdog;
use crate::session::sweep;

impl Actor {
    /// Waits until a message arrives or a task is due, and serves the first message.
    ///
    /// # Errors
    /// The kernel's.
    pub(super) async fn wait(
        &mut self,
        inputs: &mut Inputs,
        worker: &WorkerGuard,
    ) -> std::io::Result<()> {
        let wake = self.wake_at();
        let rest = !self.services.waking.is_done() || !self.due.is_empty();
        let is_ending = self.ending.has_begun();
        let forced = is_ending.then(|| self.shutdown.forced_token());
        if let Some(input) = inputs.next(wake, rest, forced).await? {
            self.input(input, inputs, worker);
        }
        Ok(())
    }

    /// Serves waiting messages, one of each source in rotation, until none waits or the turn's time
    /// is over.
    pub(super) fn serve(&mut self, inputs: &mut Inputs, worker: &WorkerGuard) {
        serve_within_a_turn(Instant::now, || {
            let some = inputs.one_of_each();
            let any = !some.is_empty();
            for input in some {
                self.input(input, inputs, worker);
            }
            any
        });
        self.feed_watchdog(Instant::now());
    }

    fn input(&mut self, input: Input, inputs: &mut Inputs, worker: &WorkerGuard) {
        let delay = &mut self.services.test_delay;
        match input {
            Input::Command(command) => self.handle_command(command),
            Input::Action(action) => {
                self.waiting = inputs.waiting();
                self.action(action);
                worker.count_processed(1);
            }
            Input::Attach(action) => {
                delay.step("attach_action");
                self.attach_action(action);
                worker.count_processed(1);
            }
            Input::Pollers => {
                delay.step("poller_event");
                if !self.poller_event() {
                    inputs.no_poller_event();
                }
            }
            Input::Probe(events) => {
                delay.step("probe_events");
                self.probe_events(&events);
            }
            Input::MemoryTouched => self.memory_touched(),
            Input::Recorder(event) => self.taps().event(event),
            Input::Finding(finding) => {
                delay.step("finding");
                self.found(finding);
            }
        }
    }

    /// Runs the due tasks in rotation, until the turn's time is over.
    pub(super) fn work(&mut self) {
        self.services.waking.turn();
        let wanted = self.wanted(Instant::now());
        let mut schedule = std::mem::take(&mut self.schedule);
        schedule.turn(&wanted, Instant::now, |task, now| self.do_task(task, now));
        self.schedule = schedule;
        self.examine_due();
    }

    /// When the next task may run.
    fn wake_at(&mut self) -> Instant {
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
            (Task::Turns, self.turns_at),
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
            Task::Turns => self.look_at_turns(now),
            Task::Traffic => self.look_at_traffic(now),
            Task::Groups => self.services.dataplane.serve_groups(),
            Task::Recordings => self.taps().watch(now),
            Task::Memory => sweep(&mut self.services, Instant::now() + TURN),
            Task::Inspections => self.services.inspector.expire(now),
            Task::Followers => self.follow_sources(now),
            // `is_over` handles it in each turn.
            Task::Ending => {}
            Task::Session(id) => self.handle(id, Event::Tick),
        }
    }
}
