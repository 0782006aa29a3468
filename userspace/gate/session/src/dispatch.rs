//! The entry: one event in, its effects out.

use crate::boundary::effect::{Effect, Effects};
use crate::boundary::event::Event;
use crate::boundary::facts::Facts;
use crate::boundary::recorded::RecordingView;
use crate::boundary::runtime::Runtime;
use crate::boundary::view::View;
use crate::state::asking::Asking;
use crate::state::clients::site_looks::SiteCheck;
use crate::state::rescan::Due;
use crate::state::trace::{begin_line, end_line};
use crate::state::{Parts, SessionCore, Turn};

impl<R: Runtime> SessionCore<R> {
    /// Handles an event. The driver executes the effects before the next one.
    #[must_use]
    pub fn handle(&mut self, event: Event<R>, facts: Facts, view: &dyn View) -> Vec<Effect<R>> {
        let line = begin_line(self, &facts, "event", &event);
        let is_patrol = matches!(event, Event::LookForDead { .. });
        let view = RecordingView::new(view);
        let mut turn = Turn {
            facts,
            view: Asking(&view),
            life: &mut self.life,
            effects: Effects::default(),
        };
        self.parts.dispatch(event, &mut turn);
        let effects = turn.effects.into_list();
        let answers = view.into_answers();
        // Each second it looks at the clients that the probe does not watch: often at none.
        if !(is_patrol && answers.is_empty()) {
            end_line(self, line, &answers, &effects);
        }
        effects
    }
}

impl Parts {
    fn dispatch<R: Runtime>(&mut self, event: Event<R>, turn: &mut Turn<R>) {
        let (clients, dead_threads) = (&mut self.clients, &mut self.dead_threads);
        match event {
            Event::Start(request) => self.start(turn, request),
            Event::Stop => self.stop(turn),
            Event::Destroy(destroy) => self.begin_destroy(turn, destroy),
            Event::Abort(destroy) => self.abort(turn, destroy),
            Event::Withdraw(problem) => turn.withdraw(problem),
            Event::Quarantine(requester) => self.quarantine(turn, requester),
            Event::Evict(one, ticket) => {
                clients.evict(turn, one, ticket);
                self.advance(turn);
            }
            Event::Verdict(request) => {
                self.verdicts.push(request);
                self.answer_verdicts(turn);
            }
            Event::Flush(wait, request) => self.flushes.ask(turn, wait, request),
            Event::CancelTimer => turn.life.runs.expiry = Due::default(),
            Event::Abandon => clients.close_all(&mut turn.effects),
            Event::Admit(admission) => clients.admit(turn, *admission),
            Event::Kicked(number) => clients.kicked(&mut turn.effects, number),
            Event::Detach(number, request) => {
                clients.detach(turn, number, request);
                self.advance(turn);
            }
            Event::HungUp(number) => {
                clients.hung_up(turn, number);
                turn.effects.push(Effect::Examine);
            }
            Event::ProcessEnded(number) => {
                clients.process_ended(turn, number);
                turn.effects.push(Effect::Examine);
            }
            Event::MemoryTouched(number) => clients.memory_touched(turn, number),
            Event::Violated(number) => {
                clients.violated(turn, number);
                self.advance(turn);
            }
            Event::ThreadsEnded { tgid, exits } => {
                dead_threads.ended(turn, clients, tgid, &exits);
            }
            Event::ProgramReplaced { tgid } => dead_threads.program_replaced(turn, clients, tgid),
            Event::LookForDead { all } => {
                if turn.life.lifecycle.is_running() {
                    dead_threads.look_at_unwatched(turn, clients, all);
                }
            }
            Event::HandedBack(runtime) => self.handed_back(turn, runtime),
            Event::LenderBack(lender) => {
                clients.lender_back(turn, *lender);
                turn.effects.push(Effect::Examine);
            }
            Event::AttachRefused {
                lender,
                frames,
                reason,
            } => clients.attach_refused(turn, lender, frames, reason),
            Event::Evicted(evicted) => {
                clients.note_evicted(turn, evicted);
                turn.effects.push(Effect::Examine);
            }
            Event::ThreadCredited {
                attachment,
                ticket,
                frames,
            } => dead_threads.credited(turn, clients, attachment, ticket, frames),
            Event::Flushed(flushed) => self.flushes.flushed(turn, flushed),
            Event::ThreadsLookedAt {
                attachment,
                dead,
                again,
                cost,
            } => {
                let residue = dead_threads.looked_at(turn, clients, attachment, &dead, again, cost);
                dead_threads.settle(turn, clients, attachment, residue);
                turn.effects.push(Effect::Examine);
            }
            Event::SitesLookedAt {
                attachment,
                asked_at,
                cost,
                found,
            } => {
                let answered_at = turn.now();
                let check = SiteCheck {
                    asked_at,
                    answered_at,
                    cost,
                    found,
                };
                clients.sites_looked_at(attachment, check);
                // The last of them lets the drain go on.
                if !clients.is_looking_at_sites() {
                    self.answer_verdicts(turn);
                    turn.effects.push(Effect::Examine);
                }
            }
            Event::LookAtSites => self.site_schedule.look(turn, clients),
            Event::Examine => self.advance(turn),
            Event::Tick => self.tick(turn),
        }
    }
}
