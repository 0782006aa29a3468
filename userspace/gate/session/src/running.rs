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
use crate::state::{Parts, Turn};

impl Parts {
    /// Stops it: closes every gate, wakes every caller, tells the poller to hand the runtime back.
    /// No effect if it is stopped.
    pub(crate) fn stop<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        if let Some(destroy) = turn.life.lifecycle.destroy_mut() {
            destroy.stops = false;
        }
        match turn.life.lifecycle.stop(turn.now()) {
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

    fn close_gates<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        self.site_schedule.forget(turn.now());
        let moment = turn.moment();
        turn.life.runs.stopped_at = Some(moment.wall);
        turn.life.audit.begin_stop(moment);
        turn.life.audit.counts.attachments_at_stop = self.clients.attached.len() as u64;
        // Before the gates close: afterwards the callers are on their way out.
        let memories = self.clients.memories();
        turn.life.audit.counts.blocked_at_stop = memories.map(|it| turn.view.calls(it)).sum();
        self.clients.forgive_kicks();
        turn.life.rescan.awaits_users |= !mutant!("stop: users of the last run count");
        self.clients.memories().for_each(AttachmentMemory::stop);
        for attachment in self.clients.attached.values() {
            turn.effects.wake(&attachment.memory);
        }
        // Wakes the first callers now, the others in the actor's turns.
        turn.effects.push(Effect::WakeNow);
        turn.step(StepName::GatesClosed);
    }

    fn note_stopped<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        let now = turn.now();
        turn.life.rescan.begin(now);
        self.warnings.begin(now, turn.facts.timeouts.drain_warning);
        turn.effects.note(Note::Stopped {
            attachments: turn.life.audit.counts.attachments_at_stop,
            callers: turn.life.audit.counts.blocked_at_stop,
        });
    }

    /// Starts it; the request is answered once the poller has it, or at once if it runs.
    pub(crate) fn start<R: Runtime>(&mut self, turn: &mut Turn<R>, request: Ticket<SessionView>) {
        match turn.life.lifecycle.start(request) {
            Start::Possible(request) => self.start_now(turn, vec![request]),
            Start::Running(request) => turn.effects.push(Effect::Started(vec![request])),
            Start::Waits => {}
            Start::Refused(request, refusal) => {
                let refused = Answer::NotStarted(request, turn.life.refusal(refusal));
                turn.effects.answer([refused]);
            }
        }
    }

    /// Hands the runtime, which is here, to its poller, and answers `requests`.
    fn start_now<R: Runtime>(&mut self, turn: &mut Turn<R>, requests: Vec<Ticket<SessionView>>) {
        if requests.is_empty() {
            return;
        }
        if let PollerFact::Died(what) | PollerFact::Stalled(what) = &turn.facts.poller {
            let refused = refuse_starts(requests, ProblemCode::PollerDown, what);
            return turn.effects.answer(refused);
        }
        self.clients.settle_leaving(turn);
        self.clients.settle(turn);
        self.clients.evict_violators(turn);
        let Some(runtime) = turn.life.lifecycle.hand_over() else {
            unreachable!("the callers have seen that it is here");
        };
        turn.life.runs.begin();
        self.warnings.end();
        turn.effects.poller(PollerCommand::Start(runtime));
        for attachment in self.clients.attached.values().filter(|it| !it.disconnected) {
            // No drain waits for its callers any more.
            attachment.memory.disarm_kick();
            attachment.memory.start();
            attachment
                .memory
                .notify(ClientEvent::Started, turn.life.runs.generation);
        }
        turn.effects.note(Note::Started {
            generation: turn.life.runs.generation,
        });
        turn.effects.push(Effect::Started(requests));
    }

    /// A poller handed the runtime back: it was told to, it did not take the session, or it has
    /// died. Applies the commands sent to the poller since, and what happened meanwhile.
    pub(crate) fn handed_back<R: Runtime>(&mut self, turn: &mut Turn<R>, runtime: Box<R>) {
        let came = turn.life.lifecycle.hand_back(runtime);
        self.flushes.settle(turn);
        self.clients.settle(turn);
        self.dead_threads.forget_credits(turn, &mut self.clients);
        if !mutant!("hand-back: evictions are not settled") {
            self.clients.settle_evictions(turn);
        }
        if !mutant!("hand-back: departures are not settled") {
            self.clients.settle_leaving(turn);
        }
        match came {
            HandBack::Asked(starts) => {
                turn.step(StepName::PollersQuiesced);
                self.start_now(turn, starts);
            }
            HandBack::Unasked => {
                self.close_gates(turn);
                turn.step(StepName::PollersQuiesced);
                self.note_stopped(turn);
            }
            HandBack::Unexpected(_) => turn.effects.note(Note::SecondRuntime),
        }
    }

    /// Stops it if its duration has passed.
    pub(crate) fn expire<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        if !turn.life.runs.expiry.take(turn.now()) {
            return;
        }
        if turn.life.lifecycle.is_running() {
            turn.effects.note(Note::Expired);
            self.stop(turn);
        } else if let Some(destroy) = turn.life.lifecycle.destroy_mut() {
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
