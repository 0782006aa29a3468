//! Stop and start: the gates, and the runtime's way to a poller and back.

use onair_api::{Problem, ProblemCode, SessionView, StepName};
use onair_ipc::event::EventKind as ClientEvent;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, PollerCommand};
use crate::boundary::facts::PollerFact;
use crate::boundary::note::Note;
use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::{Answer, Ticket};
use crate::lifecycle::{HandBack, Start, Stop};
use crate::state::asking::Asking;
use crate::state::{SessionCore, Turn};

impl<R: Runtime> SessionCore<R> {
    /// Stops it: closes every gate, wakes every caller, tells the poller to hand the runtime back.
    /// No effect if it is stopped.
    pub(crate) fn stop(&mut self, turn: &mut Turn<'_, R>) {
        if let Some(destroy) = self.lifecycle.destroy_mut() {
            destroy.stops = false;
        }
        match self.lifecycle.stop(turn.now()) {
            Stop::Begun => {
                self.close_gates(turn);
                turn.effects.poller(PollerCommand::Quiesce);
                self.note_stopped(turn);
            }
            Stop::Already(starts) => turn.effects.answer(refuse_starts(
                starts,
                ProblemCode::Draining,
                "the session was stopped before it had started",
            )),
        }
    }

    fn close_gates(&mut self, turn: &mut Turn<'_, R>) {
        self.forget_sites(turn);
        let moment = turn.moment();
        self.runs.stopped_at = Some(moment.wall);
        self.audit.begin_stop(moment);
        self.audit.counts.attachments_at_stop = self.clients.attached.len() as u64;
        let memories = self.clients.memories();
        self.audit.counts.blocked_at_stop = memories.map(|it| turn.view.calls(it)).sum();
        self.clients.forgive_kicks();
        self.rescan.awaits_users |= !mutant!("stop: users of the last run count");
        self.clients.memories().for_each(AttachmentMemory::stop);
        for attachment in self.clients.attached.values() {
            turn.effects.wake(&attachment.memory);
        }
        // Wakes the first callers now, the others in the actor's turns.
        turn.effects.push(Effect::WakeNow);
        self.audit.note(StepName::GatesClosed, turn.moment());
    }

    fn note_stopped(&mut self, turn: &mut Turn<'_, R>) {
        let now = turn.now();
        self.rescan.begin(now);
        self.warnings.begin(now, turn.facts.timeouts.drain_warning);
        turn.effects.note(Note::Stopped {
            attachments: self.audit.counts.attachments_at_stop,
            callers: self.audit.counts.blocked_at_stop,
        });
    }

    /// Starts it; the request is answered once the poller has it, or at once if it runs.
    pub(crate) fn start(&mut self, turn: &mut Turn<'_, R>, request: Ticket<SessionView>) {
        match self.lifecycle.start(request) {
            Start::Possible(request) => self.start_now(turn, vec![request]),
            Start::Running(request) => turn.effects.push(Effect::Started(vec![request])),
            Start::Waits => {}
            Start::Refused(request, refusal) => {
                let refused = Answer::NotStarted(request, self.refusal(refusal));
                turn.effects.answer([refused]);
            }
        }
    }

    /// Hands the runtime, which is here, to its poller, and answers `requests`.
    fn start_now(&mut self, turn: &mut Turn<'_, R>, requests: Vec<Ticket<SessionView>>) {
        if requests.is_empty() {
            return;
        }
        if let PollerFact::Died(what) | PollerFact::Stalled(what) = &turn.facts.poller {
            let refused = refuse_starts(requests, ProblemCode::PollerDown, what);
            return turn.effects.answer(refused);
        }
        self.settle_leaving(turn);
        self.settle(turn.view);
        self.evict_violators(turn);
        let Some(runtime) = self.lifecycle.hand_over() else {
            unreachable!("the callers have seen that it is here");
        };
        self.runs.begin();
        self.warnings.end();
        turn.effects.poller(PollerCommand::Start(runtime));
        for attachment in self.clients.attached.values().filter(|it| !it.disconnected) {
            attachment.memory.disarm_kick();
            attachment.memory.start();
            attachment
                .memory
                .notify(ClientEvent::Started, self.runs.generation);
        }
        turn.effects.note(Note::Started {
            generation: self.runs.generation,
        });
        turn.effects.push(Effect::Started(requests));
    }

    /// A poller handed the runtime back: it was told to, it did not take the session, or it has
    /// died. Applies the commands sent to the poller since, and what happened meanwhile.
    pub(crate) fn handed_back(&mut self, turn: &mut Turn<'_, R>, runtime: Box<R>) {
        let came = self.lifecycle.hand_back(runtime);
        self.settle_flushes(turn);
        self.settle(turn.view);
        self.forget_credits(turn);
        if !mutant!("hand-back: evictions are not settled") {
            self.settle_evictions(turn);
        }
        if !mutant!("hand-back: departures are not settled") {
            self.settle_leaving(turn);
        }
        match came {
            HandBack::Asked(starts) => {
                self.audit.note(StepName::PollersQuiesced, turn.moment());
                self.start_now(turn, starts);
            }
            HandBack::Unasked => {
                self.close_gates(turn);
                self.audit.note(StepName::PollersQuiesced, turn.moment());
                self.note_stopped(turn);
            }
            HandBack::Unexpected(_) => turn.effects.note(Note::SecondRuntime),
        }
    }

    /// If the ledgers are here, takes back frames that no client took, and credits those given
    /// back.
    pub(crate) fn settle(&mut self, view: Asking<'_>) {
        if let Some(runtime) = self.lifecycle.runtime_mut() {
            self.clients.violators.extend(view.settle(&mut **runtime));
        }
    }

    /// Stops it if its duration has passed.
    pub(crate) fn expire(&mut self, turn: &mut Turn<'_, R>) {
        if !self.runs.expiry.take(turn.now()) {
            return;
        }
        if self.lifecycle.is_running() {
            turn.effects.note(Note::Expired);
            self.stop(turn);
        } else if let Some(destroy) = self.lifecycle.destroy_mut() {
            // It does not run again if the destroy is refused.
            destroy.stops = false;
        }
    }
}

pub(crate) fn refuse_starts(
    starts: Vec<Ticket<SessionView>>,
    code: ProblemCode,
    what: &str,
) -> impl Iterator<Item = Answer> {
    let refuse = move |start| Answer::NotStarted(start, Problem::new(code, what));
    starts.into_iter().map(refuse)
}
