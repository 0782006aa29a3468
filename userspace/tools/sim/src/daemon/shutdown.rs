//! The end of all sessions together: does what the core of the shutdown says.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use onair_api::{Operation, SessionOutcome, SessionState};
use onair_ipc::event::EventKind;
use onair_session::shutdown::{
    LastUnits, Remedy, ShutdownCore, ShutdownEffect, ShutdownEvent, ShutdownOrder, ShutdownStep,
    ToEnd,
};
use onair_session::{Destroy, Event, Examination, Ticket};
use onair_sim_kernel::{below, now_ns};

use super::control::{Control, who};
use super::ending::Ending;
use super::view::{instant, ns};
use crate::oracle;
use crate::world::{id, trace, world};

/// Sessions that are examined in one effect.
const TOGETHER: usize = 2;
/// Steps of the shutdown before messages are received again.
const STEPS: usize = 6;

impl Control {
    /// The daemon is told to exit.
    pub(super) fn begin_ending(&mut self, remedy: Remedy, grace_ns: u64) {
        let now = instant(now_ns());
        let state = |index: &usize| self.sessions[*index].core.state();
        let left: Vec<usize> = self.live().map(|(index, _)| index).collect();
        let ids = left.iter().map(|index| id(*index).0);
        let mut core = ShutdownCore::default();
        core.handle(ShutdownEvent::Announce(ids.collect()), now);
        let living = left
            .iter()
            .filter(|it| state(it) != SessionState::Quarantined);
        let order = ShutdownOrder {
            sessions: living
                .map(|index| ToEnd {
                    id: id(*index).0,
                    priority: world(|world| world.plan.sessions[*index].priority),
                    last_units: match world(|world| world.plan.sessions[*index].sends) {
                        true => LastUnits::Sends,
                        false => LastUnits::Receives,
                    },
                    state: state(index),
                })
                .collect(),
            deadline: now + Duration::from_nanos(grace_ns),
            remedy,
            quiesce: Duration::from_nanos(world(|world| world.plan.quiesce)),
            hands_over: false,
        };
        oracle::exit_begins(&order);
        core.handle(ShutdownEvent::Drain(order), now);
        world(|world| world.is_ending = true);
        self.ending = Some(Ending {
            core,
            known: left.iter().map(|it| (*it, Some(state(it)))).collect(),
            is_forced: false,
            wake_at: None,
        });
    }

    /// A second signal.
    pub(super) fn force_ending(&mut self) {
        if let Some(ending) = &mut self.ending {
            ending.is_forced = true;
            oracle::exit_forced();
        }
    }

    /// A session can be destroyed. Returns whether the shutdown says when.
    pub(super) fn note_ready(&mut self, index: usize) -> bool {
        let Some(ending) = &mut self.ending else {
            return false;
        };
        let ready = id(index).0;
        oracle::ready(ready);
        ending
            .core
            .handle(ShutdownEvent::Ready(ready), instant(now_ns()));
        true
    }

    /// Some steps of the shutdown. Returns whether any was made.
    pub(super) fn end_some(&mut self) -> bool {
        for step in 0..STEPS {
            self.report_to_ending();
            let Some(ending) = &mut self.ending else {
                return false;
            };
            let now = instant(now_ns());
            let next = ending.core.next(now);
            let is_due = self.sessions.iter().any(|it| !it.is_over && it.is_due);
            oracle::exit_step(&next, now, |it| ending.core_state(it), is_due);
            match next {
                ShutdownStep::Do(effect) => self.end_this(effect),
                ShutdownStep::Wait(until) => {
                    ending.wake_at = until;
                    return step > 0;
                }
                ShutdownStep::Over => {
                    self.exit();
                    return true;
                }
            }
        }
        true
    }

    /// Tells the core what has happened since its last effect.
    fn report_to_ending(&mut self) {
        let Some(ending) = &mut self.ending else {
            return;
        };
        let now = instant(now_ns());
        for (index, known) in &mut ending.known {
            let it = &self.sessions[*index];
            let state = (!it.is_over).then(|| it.core.state());
            if *known != state {
                *known = state;
                let of = id(*index).0;
                let event = match state {
                    Some(state) => ShutdownEvent::State(of, state),
                    None => ShutdownEvent::Ended(of),
                };
                ending.core.handle(event, now);
            }
        }
        if self.sessions.iter().any(|it| !it.is_over && it.is_due) {
            ending.core.handle(ShutdownEvent::ToExamine, now);
        }
        if ending.is_forced {
            ending.core.handle(ShutdownEvent::Forced, now);
        }
    }

    /// A shutdown hears that a session was set aside, although it may be gone before its next step.
    pub(super) fn note_quarantined(&mut self, index: usize) {
        if let Some(ending) = &mut self.ending
            && let Some(known) = ending.known.get_mut(&index)
        {
            let state = SessionState::Quarantined;
            *known = Some(state);
            let event = ShutdownEvent::State(id(index).0, state);
            ending.core.handle(event, instant(now_ns()));
        }
    }

    fn end_this(&mut self, effect: ShutdownEffect) {
        trace(|| format!("exit: {effect:?}"));
        let index = |of: u64| usize::try_from(of - id(0).0).expect("few sessions");
        match effect {
            ShutdownEffect::Announce(of) => {
                for attachment in self.sessions[index(of)].core.clients().attached() {
                    oracle::announcing(attachment.number);
                    attachment.memory.notify(EventKind::Draining, 0);
                    oracle::announced(attachment.number);
                }
            }
            ShutdownEffect::Stop(of) => {
                self.handle(index(of), Event::CancelTimer);
                self.handle(index(of), Event::Stop);
            }
            // No life hands over: none is asked for users.
            ShutdownEffect::EndRecordings
            | ShutdownEffect::CountUsers
            | ShutdownEffect::LookForUsers => {}
            ShutdownEffect::BeginDestroy { id, deadline, .. } => {
                let destroy = destroy(Operation::Shutdown, deadline);
                self.handle(index(id), Event::Destroy(destroy));
            }
            ShutdownEffect::Abort { id, deadline } => {
                let destroy = destroy(Operation::Abort, deadline);
                self.handle(index(id), Event::Abort(destroy));
            }
            ShutdownEffect::ExamineAll => {
                for (index, it) in self.sessions.iter_mut().enumerate() {
                    it.is_due = true;
                    oracle::waits(index, true, false);
                }
            }
            ShutdownEffect::Examine => {
                let mut left = TOGETHER;
                self.examine_where(Examination::Due, |it| {
                    let takes = it.is_due && left > 0;
                    left -= usize::from(takes);
                    takes && std::mem::take(&mut it.is_due)
                });
            }
            ShutdownEffect::EndInTurn(ids) => {
                let ids: Vec<_> = ids.into_iter().map(onair_api::SessionId).collect();
                self.examine_where(Examination::InTurn, |it| ids.contains(&it.core.id()));
            }
            ShutdownEffect::Abandon(_) => {}
            ShutdownEffect::Quarantine(of) => self.handle(index(of), Event::Quarantine(who())),
        }
    }

    /// The shutdown is over: the daemon leaves what is left, and exits.
    fn exit(&mut self) {
        let Some(ending) = self.ending.take() else {
            return;
        };
        let outcomes: BTreeMap<u64, SessionOutcome> = ending.core.outcomes().collect();
        let left: Vec<usize> = self.live().map(|(index, _)| index).collect();
        for (of, outcome) in outcomes {
            let index = usize::try_from(of - id(0).0).expect("few sessions");
            let state = left
                .contains(&index)
                .then(|| self.sessions[index].core.state());
            oracle::ended_as(index, outcome, state);
        }
        trace(|| "the daemon exits".into());
        crate::kernel::exit_daemon();
        for index in left {
            self.handle(index, Event::Abandon);
            self.sessions[index].is_over = true;
        }
    }

    /// Whether the due sessions are examined in this turn although the shutdown has not asked for it.
    pub(super) fn examines(&self) -> bool {
        self.ending.is_none() || below(2) == 0
    }

    /// When the shutdown goes on, ns.
    pub(super) fn ending_at(&self) -> Option<u64> {
        self.ending.as_ref()?.wake_at.map(ns)
    }
}

impl Ending {
    /// A poller has given back the runtime of a session.
    pub(super) fn handed_back(&mut self, index: usize) {
        let event = ShutdownEvent::HandedBack(id(index).0);
        self.core.handle(event, instant(now_ns()));
    }

    fn core_state(&self, of: u64) -> Option<SessionState> {
        let index = usize::try_from(of - id(0).0).ok()?;
        self.known.get(&index).copied().flatten()
    }
}

fn destroy(operation: Operation, deadline: Instant) -> Destroy {
    Destroy {
        who: who(),
        operation,
        deadline: Some(deadline),
        deadline_ms: None,
        waits_for_turn: true,
        stops: false,
        ticket: Ticket::unread(),
    }
}
