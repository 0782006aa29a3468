//! The entry: one event in, its effects out.

use crate::boundary::effect::{Effect, Effects};
use crate::boundary::event::Event;
use crate::boundary::facts::Facts;
use crate::boundary::recorded::RecordingView;
use crate::boundary::runtime::Runtime;
use crate::boundary::view::View;
use crate::state::asking::Asking;
use crate::state::rescan::Due;
use crate::state::{SessionCore, Turn};

impl<R: Runtime> SessionCore<R> {
    /// Handles an event. The driver executes the effects before the next one.
    #[must_use]
    pub fn handle(&mut self, event: Event<R>, facts: Facts, view: &dyn View) -> Vec<Effect<R>> {
        let line = self.begin_line(&facts, "event", &event);
        let is_patrol = matches!(event, Event::LookForDead { .. });
        let view = RecordingView::new(view);
        let mut turn = Turn {
            facts,
            view: Asking(&view),
            effects: Effects::default(),
        };
        self.dispatch(event, &mut turn);
        let effects = turn.effects.into_list();
        let answers = view.into_answers();
        // Each second it looks at the clients that the probe does not watch: often at none.
        if !(is_patrol && answers.is_empty()) {
            self.end_line(line, &answers, &effects);
        }
        effects
    }

    fn dispatch(&mut self, event: Event<R>, turn: &mut Turn<'_, R>) {
        match event {
            Event::Start(request) => self.start(turn, request),
            Event::Stop => self.stop(turn),
            Event::Destroy(destroy) => self.begin_destroy(turn, destroy),
            Event::Abort(destroy) => self.abort(turn, destroy),
            Event::Withdraw(problem) => self.withdraw(turn, problem),
            Event::Quarantine(requester) => self.quarantine(turn, requester),
            Event::Evict(one, ticket) => {
                self.evict(turn, one, ticket);
                self.advance(turn);
            }
            Event::Verdict(request) => {
                self.verdicts.push(request);
                self.answer_verdicts(turn);
            }
            Event::Flush(wait, request) => self.flush(turn, wait, request),
            Event::CancelTimer => self.runs.expiry = Due::default(),
            Event::Abandon => self.close_all(turn),
            Event::Admit(admission) => self.admit(turn, *admission),
            Event::Kicked(number) => self.kicked(turn, number),
            Event::Detach(number, request) => {
                self.detach(turn, number, request);
                self.advance(turn);
            }
            Event::HungUp(number) => {
                self.hung_up(turn, number);
                turn.effects.push(Effect::Examine);
            }
            Event::ProcessEnded(number) => {
                self.process_ended(turn, number);
                turn.effects.push(Effect::Examine);
            }
            Event::MemoryTouched(number) => self.memory_touched(turn, number),
            Event::Violated(number) => {
                self.violated(turn, number);
                self.advance(turn);
            }
            Event::ThreadsEnded { tgid, exits } => self.threads_ended(turn, tgid, &exits),
            Event::ProgramReplaced { tgid } => self.program_replaced(turn, tgid),
            Event::LookForDead { all } => self.look_for_dead_unwatched(turn, all),
            Event::HandedBack(runtime) => self.handed_back(turn, runtime),
            Event::LenderBack(lender) => {
                self.lender_back(turn, *lender);
                turn.effects.push(Effect::Examine);
            }
            Event::AttachRefused {
                lender,
                frames,
                reason,
            } => self.attach_refused(turn, lender, frames, reason),
            Event::Evicted(evicted) => {
                self.evicted(turn, evicted);
                turn.effects.push(Effect::Examine);
            }
            Event::ThreadCredited {
                attachment,
                ticket,
                frames,
            } => self.thread_credited(turn, attachment, ticket, frames),
            Event::Flushed(flushed) => self.flushed(turn, flushed),
            Event::ThreadsLookedAt {
                attachment,
                dead,
                again,
                cost,
            } => {
                self.threads_looked_at(turn, attachment, &dead, again, cost);
                turn.effects.push(Effect::Examine);
            }
            Event::SitesLookedAt {
                attachment,
                asked_at,
                cost,
                found,
            } => self.sites_looked_at(turn, attachment, (asked_at, cost), found),
            Event::LookAtSites => self.look_at_sites(turn),
            Event::Examine => self.advance(turn),
            Event::Tick => self.tick(turn),
        }
    }
}
