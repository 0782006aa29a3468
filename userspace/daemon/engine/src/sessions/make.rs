//! Makes sessions: a number, memory and room on a poller, then the name in the list, then the event.
//!
//! All that can be refused is asked before the session is in the list, and a number whose session was not made is given
//! back: a refused request leaves nothing. It is stopped; who asked for it starts it.

use onair_api::{EventKind, Problem, ProblemCode, SessionSpec, Who};
use onair_settings::access::authority::Caller;
use onair_shares::Owner;

use super::Sessions;
use crate::services::Services;
use crate::services::rooms::Admission;
use crate::session::{Session, converted};

/// The users of a new session.
#[derive(Clone, Debug)]
pub struct Users {
    /// The user that it belongs to.
    pub owner: Who,
    /// The user whose shares it takes.
    pub charged: Owner,
    /// The connection that creates it.
    pub connection: Option<u64>,
    /// How its poller's room is looked at.
    pub admission: Admission,
}

impl Users {
    /// A session that belongs to `caller`.
    #[must_use]
    pub fn of(caller: &Caller, connection: Option<u64>) -> Self {
        Self {
            owner: caller.who.clone(),
            charged: caller.owner(),
            connection,
            admission: Admission::Checked,
        }
    }
}

impl Sessions {
    /// Whether a session of this specification could be made, as far as its name and its layout decide it.
    ///
    /// # Errors
    /// `name_taken`, `invalid_spec`.
    pub fn check_new(&self, spec: &SessionSpec) -> Result<(), Problem> {
        if self.named(&spec.name).is_some() {
            let detail = format!("a session named {} exists", spec.name);
            return Err(Problem::new(ProblemCode::NameTaken, detail));
        }
        converted::check(spec)
    }

    /// Makes a session that was checked, stopped, with its source if it is converted. Returns its id.
    ///
    /// # Errors
    /// `invalid_spec`, `limit_reached`, `no_such_port`, `poller_full`.
    pub fn make(
        &mut self,
        services: &mut Services,
        spec: SessionSpec,
        users: Users,
    ) -> Result<u64, Problem> {
        let is_empty = |index: u32| {
            let blocked = services.machine.blocked(index);
            blocked.is_none_or(|it| it.is_ok_and(|n| n == 0))
        };
        let (id, index) = self.numbers.issue(is_empty)?;
        let made = Session::create(id, spec, users.owner, users.connection, index, services);
        let made = made.and_then(|mut session| {
            let (owner, admission) = (users.charged, users.admission);
            (session.home).take_room(services, &session.spec, owner, admission)?;
            Ok(session)
        });
        let mut session = made.inspect_err(|_| self.numbers.not_made(index))?;
        session.settle_groups(services);
        let created = EventKind::SessionCreated {
            direction: session.spec.direction,
            port: session.spec.port.clone(),
            owner: session.owner.clone(),
        };
        services.hub.publish(Some(session.subject()), created);
        self.insert(session);
        self.look_for_source(services, id.0);
        Ok(id.0)
    }
}
