//! How a client leaves a session, by itself or by dying.

use onair_api::{Problem, ProblemCode, ReconciledCause};
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, Named, PollerCommand};
use crate::boundary::note::Note;
use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::{Answer, Ticket};
use crate::lifecycle::Place;
use crate::state::asking::Asking;
use crate::state::clients::attachment::{Attachment, Leaving};
use crate::state::{SessionCore, Turn};

/// Number of attachments that have left a stopped session and are kept for its certificate without
/// a check.
const MOST_RETIRED: usize = 32;

impl<R: Runtime> SessionCore<R> {
    /// The client gives its attachment back. Refused while its callers are inside or its frames are
    /// on loan.
    pub(crate) fn detach(&mut self, turn: &mut Turn<'_, R>, number: u64, request: Ticket<()>) {
        let Some(attachment) = self.clients.attached.get(&number) else {
            let problem = Problem::new(ProblemCode::StaleSession, "the attachment was evicted");
            let refused = Answer::Detached(request, Err(problem));
            return turn.effects.answer([refused]);
        };
        let memory = attachment.memory.clone();
        memory.stop();
        turn.effects.wake(&memory);
        turn.effects.push(Effect::WakeNow);
        if turn.view.is_in_use_now(&memory) {
            if self.lifecycle.is_running() {
                memory.start();
            }
            let problem = Problem::new(
                ProblemCode::Busy,
                "callers are inside, or frames are on loan: let the calls return and put the frames back",
            );
            let named = Named::Busy(number, request, Box::new(problem));
            turn.effects.push(Effect::NameUsers(named));
            return;
        }
        self.leave(turn, number, Leaving::Detach(request));
    }

    /// The connection of an attachment closed. Its process may live on (fork, exec, a closed
    /// descriptor), so its frames are not taken back yet; it admits no further calls.
    pub(crate) fn hung_up(&mut self, turn: &mut Turn<'_, R>, number: u64) {
        if let Some(attachment) = self.clients.attached.get_mut(&number) {
            attachment.disconnected = true;
            attachment.memory.stop();
            turn.effects.wake(&attachment.memory);
            self.rescan.begin(turn.now());
        } else if let Some(evicted_client) = self.clients.evicted.list.get_mut(&number) {
            evicted_client.attachment.disconnected = true;
        }
    }

    /// The process of an attachment is dead: none of its threads runs.
    pub(crate) fn process_ended(&mut self, turn: &mut Turn<'_, R>, number: u64) {
        if self.evicted_client_died(turn, number) {
            return;
        }
        self.leave(turn, number, Leaving::Ended(ReconciledCause::ProcessDied));
    }

    pub(crate) fn leave(&mut self, turn: &mut Turn<'_, R>, number: u64, how: Leaving) {
        let effects = &mut turn.effects;
        if !self.clients.begin_leaving(effects, number, how) {
            return;
        }
        match self.lifecycle.place() {
            Place::Here(_) => self.settle_leaving(turn),
            Place::Poller => turn.effects.poller(PollerCommand::Detach(number)),
            // It comes back with the runtime.
            Place::Returning => {}
        }
    }

    /// A poller handed one attachment's lender back.
    pub(crate) fn lender_back(&mut self, turn: &mut Turn<'_, R>, lender: Lender) {
        self.end_leaving(turn, lender);
        if self.lifecycle.runtime().is_some() {
            self.settle_leaving(turn);
        }
    }

    /// Settles the leaving attachments whose lenders are here.
    pub(crate) fn settle_leaving(&mut self, turn: &mut Turn<'_, R>) {
        let numbers: Vec<u64> = self.clients.leaving.keys().copied().collect();
        for number in numbers {
            let Some(runtime) = self.lifecycle.runtime_mut() else {
                return;
            };
            if let Some((lender, _)) = runtime.detach(number) {
                self.end_leaving(turn, *lender);
            }
        }
    }

    fn end_leaving(&mut self, turn: &mut Turn<'_, R>, mut lender: Lender) {
        let number = lender.attachment();
        let (Some(attachment), Some(how)) = (
            self.clients.attached.remove(&number),
            self.clients.leaving.remove(&number),
        ) else {
            return;
        };
        if !mutant!("leave: what was given back is not settled first") {
            lender.settle(|_| ());
        }
        let totals = turn.view.totals(std::iter::once(&lender));
        self.audit.ended(totals);
        let slots = turn.view.counting_slots(&attachment.memory);
        // No thread of a dead process runs, and a client that detached reported that it holds
        // nothing.
        let frames = turn.view.credit_process(&mut lender);
        attachment.close(AttachmentState::Gone, &mut turn.effects);
        let cause = match how {
            Leaving::Detach(request) => {
                turn.effects.answer([Answer::Detached(request, Ok(()))]);
                ReconciledCause::Detached
            }
            Leaving::Ended(cause) => cause,
        };
        self.part(turn, attachment, cause, (frames, slots));
    }

    /// Reports an ended attachment, with the frames and slots that were settled for it, and keeps
    /// its memory until no process has it mapped.
    pub(crate) fn part(
        &mut self,
        turn: &mut Turn<'_, R>,
        attachment: Attachment,
        cause: ReconciledCause,
        (frames, slots): (u64, u64),
    ) {
        let (number, who) = (attachment.number, &attachment.who);
        let now = turn.moment();
        let reconciled = self.audit.reconcile(who, None, cause, frames, slots, now);
        Self::note_reconciled(turn, reconciled);
        turn.effects.note(Note::AttachmentEnded {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            cause,
        });
        self.retired.clients.push(attachment.retired());
        if self.lifecycle.is_running() {
            // The session no longer owns it: it is freed separately.
            let retired = std::mem::take(&mut self.retired);
            turn.effects.push(Effect::Keep(retired));
        } else if self.retired.clients.len() > MOST_RETIRED {
            // The certificate covers what is left.
            let free = take_free(&mut self.retired, turn.view);
            turn.effects.push(Effect::Keep(free));
        }
        turn.effects.push(Effect::Left(number));
    }
}

/// Takes out the memory that no process has any more, according to W4.
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
