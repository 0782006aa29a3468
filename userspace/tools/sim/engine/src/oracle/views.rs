//! Lists and health say what the events said.

use std::time::Duration;

use onair_api::operations::{ListSessions, SessionQuery, ShowHealth, ShowSession};
use onair_api::{Event, Health, Operation, SessionState, SessionView};

use crate::cast;
use crate::plan::EngineDeedKind as Kind;
use crate::stage::{Hindrances, Purpose, Request, Stage};

/// How long a session may drain after its requester has gone.
const LEFT: Duration = Duration::from_millis(2_500);

/// Shares that must be empty when all is gone, by their keys.
const SHARES: [&str; 5] = [
    "limits.sessions",
    "limits.frame_memory_mb",
    "limits.snapshots",
    "recorder.max_recordings",
    "capacity_percent",
];

impl Stage {
    /// All sessions, as they are shown.
    pub(crate) fn list(&mut self) -> Vec<SessionView> {
        let query = SessionQuery::default();
        let list = self.life().ask::<ListSessions>((), query);
        let ids = list.expect("any list is given").sessions;
        let ids: Vec<_> = ids.into_iter().map(|it| it.id).collect();
        let mut all = Vec::new();
        for id in ids {
            all.extend(self.life().ask::<ShowSession>(id.into(), ()));
        }
        all
    }

    pub(crate) fn health(&mut self) -> Health {
        let health = self.life().ask::<ShowHealth>((), ());
        *Box::new(health.expect("health is always told"))
    }

    /// State that a refused request must not change.
    pub(crate) fn fingerprint(&mut self) -> String {
        let each = self.list().into_iter().map(|it| {
            let attached = it.attachments.iter();
            let attached: Vec<_> = attached.map(|it| (it.attachment, it.state)).collect();
            format!(
                "{} {} {:?} {} {:?} {:?} {:?} {}\n",
                it.id,
                it.name,
                it.state,
                it.flow.destination,
                it.next,
                it.member_of,
                attached,
                it.persistent
            )
        });
        each.collect()
    }

    /// Compares what is listed with what the events told.
    pub(crate) fn compare(&mut self) {
        let listed = self.list();
        for view in &listed {
            let id = view.id.0;
            let Some(facts) = self.facts.sessions.get_mut(&id) else {
                let what = format!("{} is listed, and no event told of it", view.name);
                self.violate(what);
                continue;
            };
            if view.state == SessionState::Quarantined && !facts.is_aside {
                facts.is_aside = true;
                let name = view.name.clone();
                let is_certain = self.hindrances.disk == Default::default();
                self.facts.forget(&name, is_certain);
            }
            self.check_draining(view);
            let facts = &self.facts.sessions[&id];
            let runs = view.state == SessionState::Running;
            if runs != facts.runs || facts.ended.is_some() {
                let what = format!(
                    "{} is {:?}, and the events say {facts:?}",
                    view.name, view.state
                );
                self.violate(what);
            }
        }
        let is_listed = |id: u64| listed.iter().any(|it| it.id.0 == id);
        let gone: Vec<_> = self
            .facts
            .living()
            .filter(|(id, _)| !is_listed(*id))
            .collect();
        let gone: Vec<_> = gone.into_iter().map(|(id, it)| (id, it.clone())).collect();
        for (id, facts) in gone {
            self.check_freed(id, &facts);
        }
        self.check_tally(&listed);
    }

    /// A session that drains does so for a request, or the daemon's end.
    fn check_draining(&mut self, view: &SessionView) {
        let id = view.id.0;
        let is_group = |it: &Request| view.member_of.is_some() && it.purpose.role >= cast::ROLES;
        let is_for = |it: &Request| it.purpose.session == Some(id) || is_group(it);
        let is_asked = self.requests.iter().any(is_for) || self.is_ending;
        if view.state != SessionState::Draining || is_asked {
            self.drains_since.remove(&id);
            return;
        }
        let now = self.life().world.passed();
        let since = *self.drains_since.entry(id).or_insert(now);
        if now - since > LEFT && self.hindrances == Hindrances::default() {
            self.violate(format!("{} drains, and no request waits for it", view.name));
        }
    }

    /// Each poller's room is taken by its sessions.
    fn check_rooms(&mut self, health: &Health, listed: &[SessionView]) {
        let is_at = |it: &&SessionView, poller: &str| {
            it.poller == poller && it.state != SessionState::Quarantined
        };
        for share in &health.shares {
            let poller = share.key.strip_prefix("poller.");
            let poller = poller.and_then(|it| it.strip_suffix(".capacity_percent"));
            let Some(poller) = poller else {
                continue;
            };
            let sessions = listed.iter().filter(|it| is_at(it, poller)).count();
            let used = share.used;
            if sessions == 0 && used > 0 {
                self.violate(format!(
                    "{sessions} sessions at {poller} take {used} of its room"
                ));
            }
        }
    }

    fn check_tally(&mut self, listed: &[SessionView]) {
        let health = self.health();
        let count = |state| listed.iter().filter(|it| it.state == state).count() as u64;
        let of = &health.sessions;
        let counted = [
            of.running,
            of.stopped + of.created,
            of.draining,
            of.quarantined,
        ];
        let shown = [
            count(SessionState::Running),
            count(SessionState::Stopped) + count(SessionState::Created),
            count(SessionState::Draining),
            count(SessionState::Quarantined),
        ];
        if counted != shown {
            self.violate(format!("health counts {counted:?} sessions, of {shown:?}"));
        }
        if of.destroyed != self.facts.removed {
            let what = format!(
                "{} sessions have ended, health says {}",
                self.facts.removed, of.destroyed
            );
            self.violate(what);
        }
        self.check_rooms(&health, listed);
        self.check_pollers(&health, listed);
        let sessions = health.shares.iter().find(|it| it.key == SHARES[0]);
        let used = sessions.map_or(0, |it| it.used);
        if used != listed.len() as u64 {
            self.violate(format!("{} sessions take {used} places", listed.len()));
        }
    }

    /// Shares that are used although all is gone.
    pub(crate) fn used_shares(&mut self) -> Vec<String> {
        let health = self.health();
        let ours = health
            .shares
            .into_iter()
            .filter(|share| share.used > 0 && SHARES.iter().any(|key| share.key.ends_with(key)));
        ours.map(|it| format!("{} {}", it.key, it.used)).collect()
    }

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

/// A session as the next daemon must have it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Kept {
    /// It is there, and this is known: `None` if a request was not answered, or the disk did not take it.
    pub(crate) is_there: Option<bool>,
    pub(crate) runs: Option<bool>,
    pub(crate) destination: Option<String>,
}
