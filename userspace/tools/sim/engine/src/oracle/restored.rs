//! The next daemon has the persistent sessions as they were.

use onair_api::{Event, Operation, SessionName, SessionState};

use super::facts::Facts;
use crate::cast;
use crate::plan::EngineDeedKind as Kind;
use crate::stage::{Purpose, Request, Stage};

/// A session as the next daemon must have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// It is there, and this is known: `None` if a request was not answered, or the disk did not take it.
    pub(crate) is_there: Option<bool>,
    pub(crate) runs: Option<bool>,
    pub(crate) destination: Option<String>,
}

impl Facts {
    /// It is not known any more what the next daemon has of this role's session.
    pub(crate) fn is_unsure(&mut self, role: usize) {
        let roles = match role {
            cast::ROLES.. => cast::ROLES..cast::ROLES + cast::MEMBERS,
            _ => role..role + 1,
        };
        for role in roles {
            self.kept.insert(cast::name(role), Kept::default());
        }
    }

    /// A user ended a session for good.
    pub(crate) fn forget(&mut self, name: &SessionName, is_certain: bool) {
        let kept = self.kept.entry(name.clone()).or_default();
        *kept = Kept {
            is_there: is_certain.then_some(false),
            ..Kept::default()
        };
    }

    /// The daemon ends while these requests are open.
    pub(crate) fn daemon_ends(&mut self, open: &[Request]) {
        for request in open {
            self.is_unsure(request.purpose.role);
        }
        self.next_daemon();
    }
}

impl Stage {
    /// A session was destroyed: by a user it is not restored.
    pub(super) fn forget_destroyed(&mut self, event: &Event, operation: Operation) {
        let by_daemon = operation == Operation::Shutdown
            || self.is_ending && matches!(operation, Operation::Abort);
        if let Some(name) = &event.name
            && !by_daemon
        {
            let is_certain = self.hindrances.disk == Default::default();
            self.facts.forget(name, is_certain);
        }
    }

    /// Notes the change that a successful request makes to the kept sessions.
    pub(super) fn keep(&mut self, purpose: &Purpose, is_persistent: bool) {
        let is_certain = self.hindrances.disk == Default::default();
        let roles = match (purpose.role, purpose.kind) {
            // Of one member.
            (role, Kind::Start | Kind::Stop | Kind::Retarget) => role..role + 1,
            (cast::ROLES.., _) => cast::ROLES..cast::ROLES + cast::MEMBERS,
            (role, _) => role..role + 1,
        };
        for role in roles {
            let name = cast::name(role);
            if self.facts.named(&name).is_none() {
                // It has ended, by the daemon's end, since the change that is answered now.
                if let Some(kept) = self.facts.kept.get_mut(&name) {
                    (kept.runs, kept.destination) = (None, None);
                }
                continue;
            }
            let kept = self.facts.kept.entry(name).or_default();
            match purpose.kind {
                Kind::Create | Kind::Own | Kind::CreateGroup => {
                    *kept = Kept {
                        is_there: is_certain.then_some(is_persistent),
                        runs: is_certain.then_some(true),
                        destination: None,
                    };
                }
                Kind::Start | Kind::StartGroup => kept.runs = is_certain.then_some(true),
                Kind::Stop | Kind::StopGroup => kept.runs = is_certain.then_some(false),
                Kind::Retarget => {
                    kept.destination = purpose.destination.clone().filter(|_| is_certain);
                }
                _ => kept.destination = None,
            }
        }
    }

    /// The daemon has just started: compares its sessions with what is kept.
    pub(crate) fn check_restored(&mut self) {
        let listed = self.list();
        for role in 0..cast::ROLES + cast::MEMBERS {
            let name = cast::name(role);
            let Some(kept) = self.facts.kept.get(&name).cloned() else {
                if listed.iter().any(|it| it.name == name) {
                    self.violate(format!("{name} is restored, and was never created"));
                }
                continue;
            };
            let found = listed.iter().find(|it| it.name == name);
            if kept.is_there.is_some_and(|it| it != found.is_some()) {
                let what = format!(
                    "{name} is restored: {}, and kept: {kept:?}",
                    found.is_some()
                );
                self.violate(what);
            }
            let Some(view) = found else {
                self.facts.kept.remove(&name);
                continue;
            };
            let runs = view.state == SessionState::Running;
            let is_member = view.member_of.is_some();
            if kept.runs.is_some_and(|it| it != runs)
                || kept
                    .destination
                    .as_ref()
                    .is_some_and(|it| *it != view.flow.destination)
                || is_member != (role >= cast::ROLES)
                || !view.persistent
            {
                self.violate(format!(
                    "{name} is restored another than {kept:?}: {view:?}"
                ));
            }
            let now = Kept {
                is_there: Some(true),
                runs: Some(runs),
                destination: Some(view.flow.destination.clone()),
            };
            self.facts.kept.insert(name, now);
        }
        self.compare();
    }
}
