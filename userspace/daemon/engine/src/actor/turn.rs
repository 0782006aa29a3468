//! One turn of the control thread: serve waiting messages, do some work, let the connections run.
//!
//! One thread owns all sessions, and runs the sockets' connections as well. So nothing may block a turn, and
//! nothing that a client can make expensive may fill one. the driver repeats:
//!
//! 1. *Work* (`Actor::work`). It wakes some sleepers of stops that began before, runs the due tasks in rotation
//!    for 2 ms, and examines the sessions to which they gave a reason. A task rests ten times as long as it ran
//!    ([`crate::schedule`]): what a client makes expensive takes a tenth of the thread at most.
//! 2. *Shutdown* (`Actor::is_over`): a few steps of it, if it has begun.
//! 3. *Wait.* First the driver yields, also if messages wait already: the connections' own tasks run only here.
//!    Then, if no work is left ([`Actor::has_work`]), it sleeps until a message comes or a task may run
//!    ([`Actor::wake_at`]).
//! 4. *Serve* ([`Actor::take`]). It takes one message of each source, then one of each again, for 2 ms. A source
//!    that is never empty, such as a client that kicks without end, gets its share; a destroy behind it is served
//!    all the same. Then the watchdog is fed: here, so that a thread that loops without serving is found out.
//! 5. *Examine.* What the messages gave a reason for is examined, for 2 ms.
//!
//! *Why examinations come after the messages, and together.* Ten events may give a session ten reasons: it is
//! examined once. Sessions of one examination share its barrier and its walk of the kernel's map ([`crate::engine`]).
//! A stop of many would take a barrier for each otherwise.
//!
//! *Commands to pollers* go into bounded queues. What does not fit waits in the outbox, in order, and is tried
//! again as a task. What was on its way to a poller that died comes back ([`Actor::bounce`]): a session that was
//! to start counts as handed back.
//!
//! *Three clocks run in any case*: the periodic check (each `timeouts.patrol_ms`: probe, archive, threads that no
//! probe watches), the pollers' turns (200 ms), and links and traffic (250 ms). Each is a task like others.
//!
//! Read on in the daemon's `control/driver.rs` and `control/inputs.rs` (the loop, and its sources), `actor/mod.rs`
//! (the actor's own clocks), `engine.rs` (what follows from a session's progress), `session/driver` (one event of
//! one session), `requests` (the requests).

use std::time::Instant;

use onair_dataplane::{Command, PollerEvent, Runtime};
use onair_probe::ProbeEvent;
use onair_session::shutdown::ShutdownEvent;
use onair_session::{AttachRefusal, Event, Examination, RetargetEvent, SessionCore};
use onair_settings::config::OnPollerDeath;

use super::{Actor, Task};
use crate::clients::ProbeNews;
use crate::clients::inspection::Finding;
use crate::clock::Clocks;
use crate::inputs::Input;
use crate::machine::EndCause;
use crate::schedule::{TURN, Wanted, serve_within_a_turn};
use crate::session::{poller_event, sweep};

impl Actor {
    /// The clock of its turns.
    pub fn clock(&self) -> Clocks {
        self.engine.services.machine.clock().clone()
    }

    /// Whether there is work before the next input.
    pub fn has_work(&self) -> bool {
        !self.engine.services.waking.is_done() || !self.engine.due.is_empty()
    }

    /// Whether the sessions are being ended.
    pub fn is_ending(&self) -> bool {
        self.engine.ending.has_begun()
    }

    /// So many requests wait: on the control socket, on the attach socket.
    pub const fn note_waiting(&mut self, requests: [usize; 2]) {
        self.engine.waiting = requests;
    }

    /// Handles one input. Returns false if it was that pollers may have sent an event, and they had not.
    pub fn take(&mut self, input: Input) -> bool {
        match input {
            Input::Command(command) => self.handle_command(command),
            Input::Action(action) => self.engine.action(action),
            Input::Attach(action) => {
                self.engine.services.slow_down("attach_action");
                self.engine.attach_action(action);
            }
            Input::Pollers => {
                self.engine.services.slow_down("poller_event");
                return self.poller_event();
            }
            Input::Probe(events) => {
                self.engine.services.slow_down("probe_events");
                self.probe_events(&events);
            }
            Input::MemoryTouched => self.memory_touched(),
            Input::Recorder(event) => self.engine.taps().event(event),
            Input::Finding(finding) => {
                self.engine.services.slow_down("finding");
                self.found(finding);
            }
            Input::Certificates(read) => self.engine.services.archive.take_in(read),
        }
        true
    }

    /// Runs the due tasks in rotation, until the turn's time is over.
    pub fn work(&mut self) {
        self.engine.services.waking.turn();
        let clock = self.engine.services.machine.clock().clone();
        let wanted = self.wanted(clock.now());
        let mut schedule = std::mem::take(&mut self.engine.schedule);
        schedule.turn(&wanted, || clock.now(), |task, now| self.do_task(task, now));
        self.engine.schedule = schedule;
        self.examine_due();
    }

    /// When the next task may run.
    pub fn wake_at(&mut self) -> Instant {
        let now = self.engine.services.machine.now();
        let wanted = self.wanted(now);
        self.engine.schedule.wake_at(&wanted).unwrap_or(now)
    }

    fn wanted(&mut self, now: Instant) -> Wanted {
        let creators = self.creators_due(now);
        let engine = &mut self.engine;
        let mut wanted = Wanted::from([
            (Task::Periodic, self.periodic_at),
            (Task::Turns, self.turns_at),
            (Task::Traffic, self.traffic_at),
        ]);
        // It rests briefly after each try.
        let outbox = (!engine.services.flush()).then_some(now);
        let groups = engine.services.machine.dataplane().groups_due();
        let more = [
            (Task::Outbox, outbox),
            (Task::Groups, groups.and_then(|left| now.checked_add(left))),
            (Task::Recordings, engine.recorder.wake_at()),
            (Task::Memory, engine.services.memory_due()),
            (Task::Inspections, engine.services.machine.inspections_due()),
            (Task::Creators, creators),
            (Task::Ending, engine.ending.wake_at),
        ];
        let due = more.into_iter().filter_map(|(task, at)| Some((task, at?)));
        wanted.extend(due);
        for &(at, id) in &self.engine.sessions.index.due {
            let task = Task::Session(id);
            wanted.insert(task, at);
            // No later one may run before it.
            if at > now && !self.engine.schedule.rests(task, at) {
                break;
            }
        }
        wanted
    }

    fn do_task(&mut self, task: Task, now: Instant) {
        self.engine.services.slow_down(task.kind());
        match task {
            Task::Outbox => {
                self.engine.services.flush();
                self.bounce();
            }
            Task::Periodic => self.run_periodic(now),
            Task::Turns => self.look_at_turns(now),
            Task::Traffic => self.look_at_traffic(now),
            Task::Groups => self.engine.services.machine.dataplane_mut().serve_groups(),
            Task::Recordings => self.engine.taps().watch(now),
            Task::Memory => sweep(&mut self.engine.services, now + TURN),
            Task::Inspections => self.engine.services.machine.expire_inspections(now),
            Task::Creators => self.end_with_creators(now),
            // `is_over` handles it in each turn.
            Task::Ending => {}
            Task::Session(id) => self.engine.handle(id, Event::Tick),
        }
    }

    /// Examines the sessions that are due, for a turn's time.
    pub fn examine_due(&mut self) {
        let clock = self.engine.services.machine.clock().clone();
        serve_within_a_turn(
            || clock.now(),
            || {
                self.examine_first();
                !self.engine.due.is_empty()
            },
        );
    }

    /// Examines the first few of the sessions that are due.
    pub(crate) fn examine_first(&mut self) {
        let some = self.engine.due.take_some();
        self.engine.examine(&some, Examination::Due);
    }

    /// Takes the next event of the pollers. Returns whether there was one.
    pub(crate) fn poller_event(&mut self) -> bool {
        let Some(event) = self.engine.services.machine.dataplane().events().pop() else {
            return false;
        };
        if let PollerEvent::Violation {
            session,
            attachment,
            what,
        } = &event
            && let Some(session) = self.engine.sessions.any(*session)
        {
            session.log_violation(&self.engine.services, *attachment, *what);
        }
        match poller_event(event) {
            Ok((session, event)) => self.engine.handle(session, event),
            Err(PollerEvent::HandedBack(runtime)) => self.handed_back(runtime),
            Err(PollerEvent::Refused { runtime, reason }) => {
                tracing::error!(%reason, "a poller refused a session");
                self.handed_back(runtime);
            }
            Err(PollerEvent::Retargeted { session }) => {
                self.engine.retarget_step(session, |it, services| {
                    it.change(services, RetargetEvent::Changed, None)
                });
            }
            Err(PollerEvent::Renewal { session }) => {
                if let Some((session, services)) = self.engine.with(session) {
                    session.renew_frames(services);
                }
            }
            Err(PollerEvent::TapBack { tap, .. }) => self.engine.taps().back(tap),
            Err(PollerEvent::TapRefused { session, tap }) => {
                self.engine.taps().refused(session, tap)
            }
            Err(other) => {
                self.engine.services.report(&other);
                if let PollerEvent::Died { poller, message } = other {
                    self.poller_lost(&self.engine.services.poller_name(poller), message);
                }
            }
        }
        true
    }

    /// Handles commands that were in transit to a poller that died.
    pub(crate) fn bounce(&mut self) {
        for command in self.engine.services.take_bounced() {
            match command {
                Command::Start(runtime) => self.handed_back(runtime),
                Command::Attach {
                    session,
                    lender,
                    frames,
                } => {
                    let reason = AttachRefusal::NoSession;
                    let refused = Event::AttachRefused {
                        lender,
                        frames,
                        reason,
                    };
                    self.engine.handle(session, refused);
                }
                _ => {}
            }
        }
    }

    /// A poller gave a session's runtime back, or did not take it.
    fn handed_back(&mut self, mut runtime: Box<Runtime>) {
        let engine = &mut self.engine;
        let id = runtime.session();
        engine.services.machine.dataplane_mut().returned(&runtime);
        engine.retarget_step(id, |it, services| {
            it.change(services, RetargetEvent::HandedBack, Some(&mut runtime))
        });
        // A start may wait for it.
        engine.sessions.look_for_source(&mut engine.services, id);
        engine.handle(id, Event::HandedBack(runtime));
        // At the daemon's end it leaves when it is destroyed: the next daemon may have joined by then.
        let stays = engine.ending.has_begun();
        if let Some((mut session, services)) = engine.with(id).filter(|_| !stays) {
            session.settle_groups(services);
        }
        let now = engine.services.machine.now();
        engine.ending.note(ShutdownEvent::HandedBack(id), now);
        // Before the session may be destroyed.
        engine.taps().handed_back(id);
        engine.examine_soon(id);
    }

    /// Without a poller the daemon continues, or shuts down in order, as configured.
    pub(in crate::actor) fn poller_lost(&self, name: &str, reason: String) {
        let shutdown = self.engine.services.machine.shutdown();
        if shutdown.config().on_poller_death == OnPollerDeath::Drain {
            let poller = name.to_owned();
            shutdown.begin(EndCause::PollerLost { poller, reason });
        }
    }

    /// Gives the event to those sessions.
    fn send_to_sessions(
        &mut self,
        wanted: impl Fn(&SessionCore<Runtime>) -> bool,
        event: impl Fn() -> Event<Runtime>,
    ) {
        let affected = self.engine.sessions.living().filter(|it| wanted(&it.core));
        let affected: Vec<u64> = affected.map(|session| session.id.0).collect();
        for id in affected {
            self.engine.handle(id, event());
        }
    }

    pub(crate) fn probe_events(&mut self, events: &[ProbeEvent]) {
        let news = ProbeNews::of(events);
        for tgid in news.replaced {
            let replaced = || Event::ProgramReplaced { tgid };
            self.send_to_sessions(|it| it.clients().has_process(tgid), replaced);
        }
        if news.lost > 0 {
            let lost = news.lost;
            if let Some(more) = self.lost_lines.note(self.engine.services.machine.now()) {
                tracing::warn!(
                    lost,
                    more,
                    "probe events were lost; the daemon reads the maps again"
                );
            }
            self.exits_lost = true;
            self.engine.examine_all_soon();
        }
        for (tgid, exits) in news.exits {
            let ended = || Event::ThreadsEnded {
                tgid,
                exits: exits.clone(),
            };
            self.send_to_sessions(|it| it.follows_threads_of(tgid), ended);
        }
    }

    /// A client changed its memory with a system call.
    pub(crate) fn memory_touched(&mut self) {
        for (session, attachment) in self.engine.services.machine.touched() {
            if self.engine.sessions.get(session).is_some() {
                self.engine
                    .handle(session, Event::MemoryTouched(attachment));
            }
        }
    }

    /// Handles the answer of a helper thread.
    pub(crate) fn found(&mut self, finding: Finding) {
        match finding {
            Finding::Core { session, event } => {
                self.engine.handle(session, *event);
                self.engine.quarantine_ready_sessions();
            }
            Finding::Blockers {
                session,
                blockers,
                purpose,
            } => {
                if let Some((session, services)) = self.engine.with(session) {
                    session.named(services, purpose, blockers);
                }
            }
            Finding::Stopped {
                session,
                attachment,
                is_stopped,
            } => {
                if let Some(mut session) = self.engine.sessions.get_mut(session) {
                    session.traffic.note_stopped_client(attachment, is_stopped);
                }
            }
            Finding::Told => {}
            Finding::Several(findings) => findings.into_iter().for_each(|it| self.found(it)),
        }
    }
}
