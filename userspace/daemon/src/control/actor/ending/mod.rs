//! The shutdown of all sessions: announce, stop, wait together, destroy.
//!
//! All sessions are stopped before the first one is destroyed. Stops and destroys begin by
//! priority, lowest number first. A session whose users stay delays no other: the daemon waits for
//! it beside the rest, and destroys it when its last user leaves. Sessions whose last users leave
//! in the same turn of the control thread are destroyed by priority, too. One deadline applies to
//! all.

pub(super) mod retired;

use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use onair_api::{EventKind, Operation, SessionOutcome, SessionState, SessionSummary, Via, Who};
use onair_session::{Destroy, Event, Examination, Ticket};
use serde_json::{Value, json};

use super::Actor;
use super::turn::together::within;
use crate::access::authority::Grant;
use crate::clients::inspector::{Finding, Inspection, InspectionTask};
use crate::config::Policy;
use crate::config::ms;
use crate::services::Services;
use crate::session::{Session, SessionTotals};

/// Pause between two counts of the remaining users.
const COUNT_PAUSE: Duration = Duration::from_millis(100);
/// Time after the last stop for which a session in use delays sessions with a higher number: its
/// callers were woken and may need this long to leave.
const SOON: Duration = Duration::from_millis(100);
/// Time that one step of the shutdown may stop and destroy: requests are served between two steps.
const BUDGET: Duration = Duration::from_millis(2);

/// Sessions whose clients are told in one step.
const ANNOUNCED: usize = 64;
/// Time limit for naming client threads on the control thread itself.
const NAMING: Duration = Duration::from_millis(50);
/// Time limit of the last look at memory that waits to be freed.
const SWEEP: Duration = Duration::from_secs(1);
/// Key of the inspection of all sessions: no process and no session has this number.
const DUMP: u64 = u64::MAX;

/// A command from the coordinator to the actor.
#[derive(Debug)]
pub enum ActorCommand {
    /// Tell every client that the service ends.
    Announce,
    /// Stop and destroy all sessions, then exit.
    Drain(Drain),
    /// Publish an event.
    Publish(EventKind),
    /// Report health, and each session with its blockers.
    Dump(SyncSender<Value>),
    /// Run this between two turns.
    Run(ActorTask),
}

/// A task that the control thread runs between two turns. A panic in it ends the control thread.
pub struct ActorTask(Box<dyn FnOnce(&mut Services) + Send>);

impl ActorTask {
    /// `run` must not block: every session waits for it.
    pub fn new(run: impl FnOnce(&mut Services) + Send + 'static) -> Self {
        Self(Box::new(run))
    }
}

impl std::fmt::Debug for ActorTask {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ActorTask")
    }
}

/// The command to shut down.
#[derive(Debug)]
pub struct Drain {
    /// Until when the daemon waits for users.
    pub deadline: Instant,
    /// Receives the result when the actor ends.
    pub reply: SyncSender<Drained>,
}

/// The result of the shutdown for the sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Sessions that existed when the shutdown began, in the order of their stops.
    pub sessions: Vec<SessionSummary>,
    /// Sessions destroyed during the daemon's lifetime.
    pub destroyed: u64,
}

impl Drained {
    /// Sessions that were still in use.
    pub fn abandoned(&self) -> impl Iterator<Item = &SessionSummary> {
        let all = self.sessions.iter();
        all.filter(|it| it.outcome == SessionOutcome::Abandoned)
    }
}

/// The shutdown in progress.
#[derive(Debug)]
pub(super) struct Ending {
    drain: Drain,
    who: Who,
    /// Sessions still to be stopped, in order.
    to_stop: VecDeque<u64>,
    /// When all sessions had been stopped.
    stopped_at: Option<Instant>,
    /// Sessions grouped by priority, the next group first.
    classes: VecDeque<VecDeque<u64>>,
    /// Sessions of the current group whose destroy has not begun.
    to_destroy: VecDeque<u64>,
    /// The other sessions of the current group.
    current: Vec<u64>,
    /// Sessions that the daemon waits for beside the others.
    held: Vec<u64>,
    /// There is more to do at once.
    is_due: bool,
    count_at: Instant,
    /// Totals of all sessions that existed at the start; they outlive the sessions.
    totals: Vec<SessionTotals>,
    /// Sessions to which the policy was applied, once it was.
    forced: Option<BTreeSet<u64>>,
}

impl Ending {
    /// When the next step is due.
    pub(super) fn wake_at(&self) -> Instant {
        if self.is_due {
            return Instant::now();
        }
        let soon = self.stopped_at.filter(|_| !self.current.is_empty());
        let wake = self.drain.deadline.min(self.count_at);
        soon.map_or(wake, |at| wake.min(at + SOON))
    }
}

impl Actor {
    pub(super) fn handle_command(&mut self, command: ActorCommand) {
        match command {
            ActorCommand::Announce => self.announcing.extend(self.sessions.ids()),
            ActorCommand::Drain(drain) => self.begin_ending(drain),
            ActorCommand::Publish(kind) => self.services.hub.publish(None, kind),
            ActorCommand::Dump(reply) => self.dump(reply),
            ActorCommand::Run(task) => (task.0)(&mut self.services),
        }
    }

    /// A helper thread names the users of the sessions, and answers.
    fn dump(&self, reply: SyncSender<Value>) {
        let all = self.sessions.all();
        let sessions: Vec<_> = all
            .map(|session| (session.view(), session.draft_blockers(&self.services)))
            .collect();
        let health = self.health(Grant::Any);
        let until = Instant::now() + self.shutdown.config().handler() / 2;
        let look = move || {
            let sessions = sessions.into_iter();
            let sessions: Vec<Value> = sessions
                .map(|(view, draft)| json!({ "session": view, "blockers": draft.list(until) }))
                .collect();
            // The requester may have given up.
            let _ = reply.try_send(json!({ "health": health, "sessions": sessions }));
            Finding::Told
        };
        self.services.inspector.ask(Inspection {
            about: DUMP,
            limit: self.shutdown.config().handler(),
            look: InspectionTask::Alone(Box::new(look)),
            late: Box::new(|| Finding::Told),
        });
    }

    fn begin_ending(&mut self, drain: Drain) {
        let remaining = drain.deadline.saturating_duration_since(Instant::now());
        tracing::info!(sessions = self.sessions.len(), ?remaining, "draining");
        let all = self.by_priority();
        let classes = all.chunk_by(|a, b| a.0 == b.0);
        let classes = classes.map(|class| class.iter().map(|&(_, id)| id).collect());
        self.ending = Some(Ending {
            drain,
            who: Who {
                uid: rustix::process::geteuid().as_raw(),
                gid: rustix::process::getegid().as_raw(),
                pid: std::process::id(),
                command: "onaird".into(),
                via: Via::Daemon,
            },
            to_stop: all.iter().map(|&(_, id)| id).collect(),
            stopped_at: None,
            classes: classes.collect(),
            to_destroy: VecDeque::new(),
            current: Vec::new(),
            held: Vec::new(),
            is_due: true,
            count_at: Instant::now(),
            forced: None,
            totals: all
                .iter()
                .filter_map(|(_, id)| Some(self.sessions.get(*id)?.totals()))
                .collect(),
        });
    }

    /// Priority and id of each session, in the order of the shutdown.
    fn by_priority(&self) -> Vec<(u8, u64)> {
        let all = self.sessions.living();
        let mut all: Vec<_> = all.map(|it| (it.spec.priority, it.id.0)).collect();
        all.sort_unstable();
        all
    }

    /// Continues the shutdown, for a few milliseconds at most. Returns whether there is nothing
    /// left to wait for: every session is destroyed, or the remaining ones cannot be ended.
    pub(super) fn is_over(&mut self) -> bool {
        let Some(mut ending) = self.ending.take() else {
            return false;
        };
        let turn = Instant::now();
        ending.is_due = false;
        let over = self.stop_all(&mut ending, turn) && self.destroy_all(&mut ending, turn);
        if turn >= ending.count_at || over {
            ending.count_at = turn + COUNT_PAUSE;
            let users = self.sessions.living().map(|it| it.core.users()).sum();
            let sessions = self.sessions.len() as u64;
            self.shutdown.set_progress(sessions, users);
        }
        self.ending = Some(ending);
        over
    }

    /// Tells the clients of the next few sessions that the daemon exits.
    pub(super) fn announce_some(&mut self) {
        for _ in 0..ANNOUNCED {
            let Some(id) = self.announcing.pop_first() else {
                return;
            };
            if let Some(session) = self.sessions.get(id) {
                session.announce_end();
            }
        }
    }

    /// Stops all sessions. Returns whether all are stopped.
    fn stop_all(&mut self, ending: &mut Ending, turn: Instant) -> bool {
        while let Some(id) = ending.to_stop.pop_front() {
            if let Some(mut session) = self.sessions.get_mut(id) {
                // Before its callers get EAGAIN.
                if self.announcing.remove(&id) {
                    session.announce_end();
                }
                session.core.cancel_timer();
                // It is examined when its destroy begins.
                let _ = session.handle(&mut self.services, Event::Stop);
            }
            if turn.elapsed() >= BUDGET && !ending.to_stop.is_empty() {
                ending.is_due = true;
                return false;
            }
        }
        if ending.stopped_at.is_none() {
            ending.stopped_at = Some(Instant::now());
            self.end_recordings();
        }
        true
    }

    /// Begins to destroy, group by group. Returns whether there is nothing left to wait for.
    fn destroy_all(&mut self, ending: &mut Ending, turn: Instant) -> bool {
        if turn >= ending.count_at {
            // A destroy that a client requested may have timed out.
            for &id in &ending.held {
                self.end_session(id, ending);
            }
        }
        loop {
            if let Some(id) = ending.to_destroy.pop_front() {
                self.end_session(id, ending);
                ending.current.push(id);
                if turn.elapsed() >= BUDGET {
                    ending.is_due = true;
                    return false;
                }
                continue;
            }
            if !self.destroy_ready(turn) {
                ending.is_due = true;
                return false;
            }
            let is_up = Instant::now() >= ending.drain.deadline || self.shutdown.is_forced();
            let is_soon = ending.stopped_at.is_some_and(|at| at.elapsed() < SOON);
            let is_draining = |id: &u64| self.is_draining(*id);
            if !is_up && is_soon && ending.current.iter().any(is_draining) {
                return false;
            }
            ending.held.append(&mut ending.current);
            if let Some(class) = ending.classes.pop_front() {
                ending.to_destroy = class;
                continue;
            }
            ending.held.retain(|id| self.sessions.get(*id).is_some());
            if !is_up && ending.held.iter().any(is_draining) {
                return false;
            }
            if !self.apply_policy(ending) {
                return true;
            }
        }
    }

    /// Examines sessions that are due, then destroys those without users, by priority. Returns
    /// whether nothing of it is left.
    fn destroy_ready(&mut self, turn: Instant) -> bool {
        self.examine_due(turn, BUDGET)
            && within(turn, BUDGET, || {
                self.examine_first(Examination::InTurn);
                !self.ready.is_empty()
            })
    }

    /// Whether the daemon waits for a session. It does not wait for a session that a blind probe
    /// blocks: nothing can end that one.
    fn is_draining(&self, id: u64) -> bool {
        let session = self.sessions.get(id);
        session.is_some_and(|it| it.state() == SessionState::Draining)
    }

    /// Applies `shutdown.policy` to the remaining sessions, once. Returns whether there is
    /// something to wait for again.
    fn apply_policy(&mut self, ending: &mut Ending) -> bool {
        let policy = self.shutdown.config().policy;
        if ending.forced.is_some() || self.sessions.is_empty() || self.shutdown.is_forced() {
            return false;
        }
        // Destroys whose time is up give up now: their timers may fire after this.
        let ids: Vec<u64> = self.sessions.ids().collect();
        for id in ids {
            self.handle(id, Event::Examine);
        }
        while !self.destroy_ready(Instant::now()) {}
        let left = self.by_priority();
        let timeout = ms(self.services.config.timeouts.quiesce_ms);
        for &(_, id) in &left {
            let Some(session) = self.sessions.get(id) else {
                continue;
            };
            tracing::warn!(session = %session.id, name = %session.spec.name, ?policy, "still in use");
            match policy {
                Policy::Refuse => return false,
                Policy::Evict => self.abort_in_turn(id, ending.who.clone()),
                Policy::Quarantine => self.set_aside(id, ending.who.clone()),
            }
        }
        if left.is_empty() {
            return false;
        }
        ending.current = left.iter().map(|&(_, id)| id).collect();
        ending.forced = Some(ending.current.iter().copied().collect());
        ending.drain.deadline = Instant::now() + timeout;
        true
    }

    /// Begins to destroy a session, unless that is in progress.
    fn end_session(&mut self, id: u64, ending: &Ending) {
        let idle = |session: &Session| session.state() != SessionState::Draining;
        if !self.sessions.get(id).is_some_and(idle) {
            return;
        }
        let left = ending
            .drain
            .deadline
            .saturating_duration_since(Instant::now());
        let destroy = Destroy {
            who: ending.who.clone(),
            operation: Operation::Shutdown,
            deadline: Some(ending.drain.deadline),
            deadline_ms: Some(u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
            waits_for_turn: true,
            // No requester reads this answer: the certificate is in the archive.
            ticket: Ticket::unread(),
        };
        self.handle(id, Event::Destroy(destroy));
    }

    /// Gives up the remaining sessions, and answers the coordinator.
    pub(super) fn end(&mut self) {
        self.sweep_pending_reclaim(Instant::now() + SWEEP);
        let Some(ending) = self.ending.take() else {
            return;
        };
        let policy = self.shutdown.config().policy;
        let until = Instant::now() + NAMING;
        let totals = ending.totals.iter();
        let sessions = totals
            .map(|totals| {
                let id = totals.id.0;
                let was_forced = ending.forced.as_ref().is_some_and(|it| it.contains(&id));
                match (self.sessions.get(id), self.sessions.quarantined(id)) {
                    (Some(left), _) => totals.close(
                        SessionOutcome::Abandoned,
                        left.draft_blockers(&self.services).list(until),
                    ),
                    (None, Some(aside)) => totals.close(
                        SessionOutcome::Quarantined,
                        aside.draft_blockers(&self.services).list(until),
                    ),
                    (None, None) if was_forced && policy == Policy::Evict => {
                        totals.close(SessionOutcome::Evicted, Vec::new())
                    }
                    (None, None) => totals.close(SessionOutcome::Destroyed, Vec::new()),
                }
            })
            .collect();
        let services = &mut self.services;
        self.sessions.change_each(|session| {
            let _ = session.handle(services, Event::Abandon);
        });
        let drained = Drained {
            sessions,
            destroyed: self.destroyed,
        };
        // The coordinator may have abandoned the actor.
        let _ = ending.drain.reply.send(drained);
    }
}
