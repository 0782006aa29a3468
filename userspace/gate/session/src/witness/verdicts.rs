//! Requested verdicts.

use onair_api::{Says, SessionState, Verdict};

use crate::boundary::runtime::Runtime;
use crate::boundary::ticket::Answer;
use crate::state::{Parts, Turn};
use crate::witness;
use crate::witness::readings::Member;

impl Parts {
    /// Answers the requesters of a verdict, unless a helper thread is still looking at a client's
    /// sites.
    pub(crate) fn answer_verdicts<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        if self.verdicts.is_empty() {
            return;
        }
        let verdict = self.say_verdict(turn);
        let probe = verdict.readings.iter().find(|it| it.name == witness::PROBE);
        if probe.is_some_and(|it| it.says == Says::Unknown)
            && self.site_schedule.is_awaited(&self.clients, turn.now())
        {
            self.site_schedule.look(turn, &mut self.clients);
            return;
        }
        let requests = self.verdicts.drain(..);
        let answers = requests.map(|it| Answer::Verdict(it, Ok(verdict.clone())));
        turn.effects.answer(answers);
    }

    fn say_verdict<R: Runtime>(&mut self, turn: &mut Turn<R>) -> Verdict {
        let readings = Member::new(self, turn).read();
        let mut found = witness::verdict(&readings);
        if turn.life.lifecycle.is_running() && found.disagreement {
            // The gates are open: a caller may have come after W1 was read and before W2 was.
            found.disagreement = false;
            found.reason = "a caller entered while the witnesses were read".to_owned();
        }
        let first = match turn.life.state() {
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
