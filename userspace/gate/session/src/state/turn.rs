//! One event of one session, while it is handled.

use std::time::Instant;

use onair_api::{Problem, ReconciledCause, StepName};

use crate::boundary::effect::{Effect, Effects, Named};
use crate::boundary::event::Destroy;
use crate::boundary::facts::Facts;
use crate::boundary::note::Note;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::Runtime;
use crate::boundary::view::Moment;
use crate::groups::AwaitedTurn;
use crate::state::asking::Asking;
use crate::state::clients::attachment::Attachment;
use crate::state::life::Life;

/// Number of attachments that have left a stopped session and are kept for its certificate without
/// a check.
const MOST_RETIRED: usize = 32;

/// One event being handled: what is known and seen, the session's life, and what is to be done. Each part of the
/// session that handles the event gets it.
pub(crate) struct Turn<'a, R> {
    pub(crate) facts: Facts,
    pub(crate) view: Asking<'a>,
    pub(crate) life: &'a mut Life<R>,
    pub(crate) effects: Effects<R>,
}

impl<R> Turn<'_, R> {
    /// When the event is handled: one time for all that it decides.
    pub(crate) fn now(&self) -> Instant {
        self.facts.now
    }

    /// The moment of a step or a reading.
    pub(crate) fn moment(&self) -> Moment {
        self.view.moment()
    }

    /// Enters a step, once since the stop.
    pub(crate) fn step(&mut self, step: StepName) {
        self.life.audit.note(step, self.view.moment());
    }
}

impl<R: Runtime> Turn<'_, R> {
    /// Starts draining; refuses `destroy` if the state does not allow it.
    pub(crate) fn drain(&mut self, destroy: Destroy) -> bool {
        if let Err((refusal, destroy)) = self.life.lifecycle.begin_destroy(destroy) {
            let refused = destroy.refuse(self.life.refusal(refusal));
            self.effects.answer([refused]);
            return false;
        }
        self.step(StepName::DestroyRequested);
        true
    }

    /// Refuses the destroy that waits for its turn.
    pub(crate) fn withdraw(&mut self, problem: Problem) {
        if self.life.awaited_turn() == AwaitedTurn::None {
            return;
        }
        if let Some(destroy) = self.life.lifecycle.withdraw_destroy() {
            self.life.rescan.is_ready = false;
            self.life.audit.forget(StepName::DestroyRequested);
            let (code, reason) = (problem.code, problem.detail.clone());
            let requester = destroy.who.clone();
            self.effects.note(Note::NotDestroyed {
                requester,
                code,
                reason,
            });
            self.refuse_with_users(destroy, problem);
        }
    }

    /// Ends the wait of a requester that has closed its connection. The session stays stopped: a
    /// client that leaves it from now on does not destroy it.
    pub(crate) fn end_abandoned_wait(&mut self) {
        let is_abandoned = self.life.lifecycle.destroy().is_some_and(|destroy| {
            destroy.ends_with_requester() && self.facts.left.contains(&destroy.ticket.number())
        });
        if is_abandoned && let Some(destroy) = self.life.lifecycle.withdraw_destroy() {
            self.life.audit.forget(StepName::DestroyRequested);
            let requester = destroy.who;
            self.effects.note(Note::Abandoned { requester });
        }
    }

    /// Enters an ended attachment, with the frames and slots that were settled for it, and keeps
    /// its memory until no process has it mapped.
    pub(crate) fn part(
        &mut self,
        attachment: Attachment,
        cause: ReconciledCause,
        (frames, slots): (u64, u64),
    ) {
        let (number, who) = (attachment.number, &attachment.who);
        let now = self.moment();
        let reconciled = self
            .life
            .audit
            .reconcile(who, None, cause, frames, slots, now);
        self.effects.reconciled(reconciled);
        self.effects.note(Note::AttachmentEnded {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            cause,
        });
        self.life.retired.clients.push(attachment.retired());
        if self.life.lifecycle.is_running() {
            // The session no longer owns it: it is freed separately.
            let retired = std::mem::take(&mut self.life.retired);
            self.effects.push(Effect::Keep(retired));
        } else if self.life.retired.clients.len() > MOST_RETIRED {
            // The certificate covers what is left.
            let free = take_free(&mut self.life.retired, self.view);
            self.effects.push(Effect::Keep(free));
        }
        self.effects.push(Effect::Left(number));
    }

    /// Refuses with the list of the users, when a helper thread has named them.
    pub(crate) fn refuse_with_users(&mut self, destroy: Destroy, problem: Problem) {
        let named = Named::Refusal(Box::new(destroy), Box::new(problem));
        self.effects.push(Effect::NameUsers(named));
    }
}

/// Takes out what clients had and no process has any more, according to W4.
fn take_free(retired: &mut RetiredMemory, view: Asking<'_>) -> RetiredMemory {
    let clients = retired.clients.extract_if(.., |it| {
        let frames = it.frames.as_ref();
        view.is_released(&it.words) && frames.is_none_or(|frames| view.are_released(frames))
    });
    RetiredMemory {
        clients: clients.collect(),
        own: Vec::new(),
    }
}
