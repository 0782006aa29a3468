//! Requested verdicts, and the requests that wait for a session that ends.

use onair_types::{Problem, ProblemCode, Says, SessionState, Timestamp, Verdict};

use super::Session;
use super::leaving::Leaving;
use crate::reply::Reply;
use crate::services::Services;
use crate::witness;

impl Session {
    /// Answers with each witness's current reading. Changes nothing except that it arms the kick.
    pub fn verdict(&mut self, services: &mut Services, reply: Reply<Verdict>) {
        self.verdicts.push(reply);
        self.answer_verdicts(services);
    }

    /// Answers the requesters of a verdict, unless a helper thread is still looking at a client's
    /// sites.
    pub fn answer_verdicts(&mut self, services: &mut Services) {
        if self.verdicts.is_empty() {
            return;
        }
        let verdict = self.say_verdict(services);
        let probe = verdict.readings.iter().find(|it| it.name == witness::PROBE);
        if probe.is_some_and(|it| it.says == Says::Unknown) && self.awaits_sites() {
            self.look_at_sites(services);
            return;
        }
        for reply in self.verdicts.drain(..) {
            reply.send(Ok(verdict.clone()));
        }
    }

    /// Answers the other waiting requests with the runtime, which is here before a session ends.
    pub(super) fn answer_the_rest(&mut self) {
        for reply in self.verdicts.drain(..) {
            let what = format!("session {} was destroyed", self.spec.name);
            reply.send(Err(Problem::new(ProblemCode::StaleSession, what)));
        }
        for how in std::mem::take(&mut self.leaving).into_values() {
            if let Leaving::Detach(reply) = how {
                reply.send(Ok(()));
            }
        }
    }

    fn say_verdict(&mut self, services: &Services) -> Verdict {
        let readings = self.read(services, true);
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
            at: Timestamp::now(),
            readings,
        }
    }
}
