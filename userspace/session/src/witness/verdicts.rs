//! Requested verdicts, and the requests that wait for a session that ends.

use onair_api::{Problem, ProblemCode, Says, SessionState, Verdict};

use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::Answer;
use crate::state::clients::attachment::Leaving;
use crate::state::{SessionCore, Turn};
use crate::witness;

impl<R: Runtime> SessionCore<R> {
    /// Answers the requesters of a verdict, unless a helper thread is still looking at a client's
    /// sites.
    pub(crate) fn answer_verdicts(&mut self, turn: &mut Turn<'_, R>) {
        if self.verdicts.is_empty() {
            return;
        }
        let verdict = self.say_verdict(turn);
        let probe = verdict.readings.iter().find(|it| it.name == witness::PROBE);
        if probe.is_some_and(|it| it.says == Says::Unknown) && self.awaits_sites(turn.now()) {
            self.look_at_sites(turn);
            return;
        }
        let requests = self.verdicts.drain(..);
        let answers = requests.map(|it| Answer::Verdict(it, Ok(verdict.clone())));
        turn.effects.answer(answers);
    }

    /// Answers the other waiting requests with the runtime, which is here before a session ends.
    pub(crate) fn answer_the_rest(&mut self, turn: &mut Turn<'_, R>) {
        for request in self.verdicts.drain(..) {
            let what = format!("session {} was destroyed", self.name);
            let problem = Problem::new(ProblemCode::StaleSession, what);
            turn.effects
                .answer([Answer::Verdict(request, Err(problem))]);
        }
        for how in std::mem::take(&mut self.clients.leaving).into_values() {
            if let Leaving::Detach(request) = how {
                turn.effects.answer([Answer::Detached(request, Ok(()))]);
            }
        }
    }

    fn say_verdict(&mut self, turn: &Turn<'_, R>) -> Verdict {
        let readings = self.read(turn, true);
        let mut found = witness::verdict(&readings);
        if self.lifecycle.is_running() && found.disagreement {
            // The gates are open: a caller may have come after W1 was read and before W2 was.
            found.disagreement = false;
            found.reason = "a caller entered while the witnesses were read".to_owned();
        }
        let first = match self.state() {
            SessionState::Running => "the session is running; ",
            SessionState::Quarantined => "the session is quarantined; ",
            _ => "",
        };
        Verdict {
            destroyable: found.destroyable && first.is_empty(),
            disagreement: found.disagreement,
            reason: format!("{first}{}", found.reason),
            at: turn.moment().wall,
            readings,
        }
    }
}
