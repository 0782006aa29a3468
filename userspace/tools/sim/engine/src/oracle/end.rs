//! When all is gone, nothing is left.

use std::time::Duration;

use onair_api::operations::{
    AbortSession, CertificateQuery, CreateSession, DestroySession, ListCertificates,
    ListRecordings, RecordingQuery, ShowCertificate, StopSession,
};
use onair_api::{
    Certificate, Event, EventKind, Memory, Operation, Problem, ProblemCode, RecordingState,
    SessionId, SessionOutcome, SessionRef, SessionState,
};
use onair_engine::inputs::Drained;
use onair_ipc::caller::Deadline;
use onair_sim_machine::DiskState;
use onair_sim_machine::life::root;

use super::facts::SessionFacts;
use crate::cast::{CONVERTED, ROLES, name, specification, target};
use crate::stage::{Hindrances, Stage};

impl Stage {
    /// All that hinders is over, all requests are answered, and all users go.
    pub(crate) fn check_end(&mut self) {
        if self.hindrances.disk == DiskState::Hangs && !self.requests.is_empty() {
            // An answer that waits for the disk comes without it.
            self.live(Duration::from_millis(2_300));
        }
        self.hinder(Hindrances::default());
        self.live(Duration::from_millis(300));
        while !self.requests.is_empty() && self.facts.violations.is_empty() {
            self.live(Duration::from_millis(500));
        }
        if self
            .list()
            .iter()
            .any(|it| it.state == SessionState::Draining)
        {
            self.live(Duration::from_millis(2_600));
            self.compare();
        }
        if self.plan.seed.is_multiple_of(2) {
            self.check_places();
        }
        if self.plan.ends_in_order {
            self.check_calls();
            self.shut_down(Duration::from_millis(200));
        }
        self.end_all();
        self.live(Duration::from_millis(300));
        self.compare();
        self.check_archive();
        self.check_left();
        self.check_names();
        self.check_sleep();
    }

    /// All clients go, and others may come.
    fn check_places(&mut self) {
        self.all_go();
        self.live(Duration::from_millis(300));
        for view in self.list() {
            if matches!(
                view.state,
                SessionState::Quarantined | SessionState::Draining
            ) {
                continue;
            }
            let peer = self.life().peer(root());
            let target = SessionRef::Id(view.id).to_string();
            match self.life().reserve(&peer, &target, None) {
                Ok(id) => self.life().release(id),
                Err(problem) => {
                    self.violate(format!("no client may attach to {}: {problem}", view.name));
                }
            }
        }
    }

    fn all_go(&mut self) {
        while !self.guests.is_empty() {
            self.kill(0);
        }
        self.passed_on.clear();
    }

    /// Clients of sessions that run may call, and others are told why not.
    fn check_calls(&mut self) {
        for at in 0..self.guests.len() {
            let taken = self.guests[at].client.attachment.get(Deadline::Now);
            let told = taken.map(|lease| self.guests[at].leases.push(lease));
            self.check_call(at, told);
        }
    }

    /// The daemon has ended: each session as the policy says. Without any time not even a poller can hand one back.
    pub(crate) fn check_outcomes(&mut self, ended: &Drained, graceful: Duration) {
        for it in &ended.sessions {
            let aside = it.outcome == SessionOutcome::Quarantined;
            if let Some(session) = self.facts.sessions.get_mut(&it.id.0) {
                session.is_aside |= aside;
            }
            let facts = self.facts.sessions.get(&it.id.0);
            let is_certain = facts.map(|it| it.ended.is_some() || it.is_aside || it.is_complete);
            let is_destroyed =
                facts.is_some_and(|it| it.ended.is_some_and(|by| by != Operation::Quarantine));
            let may_be = match it.outcome {
                SessionOutcome::Destroyed | SessionOutcome::Evicted => is_destroyed,
                SessionOutcome::Abandoned => {
                    let is_used = self.guests_of(it.id.0).next().is_some();
                    // The daemon learns after a moment that a poller goes on, and a destroy does not wait for that.
                    let is_hindered = !self.is_free() || graceful.is_zero();
                    is_certain == Some(false) && (is_used || is_hindered)
                }
                _ => true,
            };
            if !may_be {
                self.violate(format!(
                    "{} ends {:?}, and the events say {is_certain:?}",
                    it.name, it.outcome
                ));
            }
        }
    }

    fn end_all(&mut self) {
        for view in self.list() {
            if view.state == SessionState::Quarantined {
                continue;
            }
            let ended = self.life().ask::<AbortSession>(view.id.into(), ());
            if let Err(problem) = ended {
                self.violate(format!("{} is not aborted: {problem}", view.name));
            }
            self.observe();
        }
        self.all_go();
    }

    fn check_left(&mut self) {
        let listed = self.list();
        if !listed.is_empty() {
            let names: Vec<_> = listed.iter().map(|it| (&it.name, it.state)).collect();
            let what = format!("sessions are left: {names:?}");
            self.violate(what);
        }
        let used = self.used_shares();
        if !used.is_empty() {
            self.violate(format!("all is gone, and shares are used: {used:?}"));
        }
        let all = RecordingQuery::default();
        let recordings = self.life().ask::<ListRecordings>((), all);
        let recordings = recordings.expect("any list is given").recordings;
        let ended = [RecordingState::Finished, RecordingState::Failed];
        let unended = recordings
            .iter()
            .filter(|it| !ended.contains(&it.state))
            .count();
        if unended + self.facts.recordings() > 0 {
            self.violate(format!(
                "{unended} recordings are left, {} by events",
                self.facts.recordings()
            ));
        }
        let incomplete = self.facts.sessions.values().filter(|it| {
            it.ended.is_some() && !it.is_complete && it.of_daemon == self.facts.daemon
        });
        let incomplete: Vec<_> = incomplete.map(|it| it.name.clone()).collect();
        if !incomplete.is_empty() {
            self.violate(format!("the memory of {incomplete:?} is not given back"));
        }
        let tasks = self.life().world.tasks();
        if tasks > 0 {
            self.violate(format!("{tasks} tasks are left"));
        }
    }

    /// Names, addresses and places are free again.
    fn check_names(&mut self) {
        for role in (0..ROLES).filter(|it| *it != CONVERTED) {
            let done = self.come_and_go(role);
            let has_poller = self.facts.pollers.has_one_for(role);
            match done {
                Err(problem) if has_poller || problem.code != ProblemCode::PollerDown => {
                    self.violate(format!("{} cannot come and go: {problem}", name(role)));
                }
                Ok(()) if !has_poller => {
                    self.violate(format!("{} runs without a poller", name(role)));
                }
                _ => {}
            }
        }
    }

    /// The control thread sleeps, and looks at times.
    fn check_sleep(&mut self) {
        self.live(Duration::from_millis(200));
        let before = self.life().wakes();
        self.live(Duration::from_millis(1_000));
        let wakes = self.life().wakes() - before;
        if !(5..=25).contains(&wakes) {
            self.violate(format!("the control thread wakes {wakes} times a second"));
        }
    }

    fn come_and_go(&mut self, role: usize) -> Result<(), Problem> {
        let spec = specification(role, 0, false);
        self.life().ask::<CreateSession>((), spec)?;
        self.life().ask::<StopSession>(target(role), ())?;
        self.life().ask::<DestroySession>(target(role), ())?;
        Ok(())
    }

    fn certificate(&mut self, session: u64) -> Option<Certificate> {
        let target = SessionId(session).into();
        let shown = self.life().ask::<ShowCertificate>(target, ());
        match shown {
            Ok(certificate) => Some(*certificate),
            Err(problem) => {
                self.violate(format!("session {session:x} has no certificate: {problem}"));
                None
            }
        }
    }

    /// A session was destroyed just now.
    pub(super) fn check_destroyed(&mut self, event: &Event) {
        let (
            Some(id),
            EventKind::Destroyed {
                operation,
                requester,
            },
        ) = (event.session, &event.kind)
        else {
            return;
        };
        self.forget_destroyed(event, *operation);
        let Some(certificate) = self.certificate(id.0) else {
            return;
        };
        if certificate.operation != *operation || certificate.requester != *requester {
            self.violate(format!(
                "another certificate than its event: {certificate:?}"
            ));
        }
        self.verify(&certificate);
        self.check_frames(&certificate);
        let is_evicted = |number| certificate.evicted.iter().any(|it| it.attachment == number);
        let inside = self
            .guests_of(id.0)
            .filter(|it| !is_evicted(it.number()) && (!it.leases.is_empty() || it.blocked > 0));
        let inside: Vec<u64> = inside.map(|it| it.number()).collect();
        if !inside.is_empty() {
            self.violate(format!(
                "session {id} is destroyed under clients {inside:?}"
            ));
        }
    }

    /// The memory of a session was given back just now.
    pub(super) fn check_completed(&mut self, event: &Event) {
        let Some(id) = event.session else {
            return;
        };
        let has_it = self.guests_of(id.0).count()
            + self
                .passed_on
                .iter()
                .filter(|it| it.session == id.0)
                .count();
        if has_it > 0 {
            self.violate(format!(
                "the memory of {id} is given back, and {has_it} have it"
            ));
        }
        if let Some(certificate) = self.certificate(id.0) {
            if !matches!(certificate.memory, Memory::Returned { .. }) {
                self.violate(format!("not complete: {:?}", certificate.memory));
            }
            self.verify(&certificate);
        }
    }

    fn verify(&mut self, certificate: &Certificate) {
        let document = serde_json::to_value(certificate).expect("a certificate is a document");
        match onair_certificate::verify(&document) {
            Ok(it) if it.holds => {}
            Ok(it) => self.violate(format!("a certificate does not verify: {it:?}")),
            Err(error) => self.violate(format!("a certificate is none: {error}")),
        }
    }

    /// A session is listed no more, and no event told that it was destroyed: it was in quarantine.
    pub(super) fn check_freed(&mut self, id: u64, facts: &SessionFacts) {
        if !facts.is_aside {
            // It was set aside and freed at once.
            match self.certificate(id) {
                Some(it) if it.operation == Operation::Quarantine && !facts.runs => {
                    let is_certain = self.hindrances.disk == Default::default();
                    self.facts.forget(&facts.name, is_certain);
                }
                _ => self.violate(format!("session {} is gone without an event", facts.name)),
            }
        }
        let inside = self.guests_of(id).filter(|it| !it.leases.is_empty());
        let inside = inside
            .filter(|it| !facts.evicted.contains(&it.number()))
            .count();
        if inside > 0 {
            self.violate(format!(
                "{} is freed, and {inside} clients hold frames",
                facts.name
            ));
        }
        if let Some(session) = self.facts.sessions.get_mut(&id) {
            session.ended = Some(Operation::Quarantine);
            self.facts.removed += 1;
        }
    }

    /// Each session that ended has one certificate, and no other has; one that was said to be on disk has it whatever
    /// happened to the disk.
    pub(crate) fn check_archive(&mut self) {
        let query = CertificateQuery::default();
        let list = self.life().ask::<ListCertificates>((), query);
        let list = list.expect("any list is given").certificates;
        let mut listed: Vec<u64> = list.iter().map(|it| it.session.0).collect();
        listed.sort_unstable();
        let has_one = |it: &SessionFacts| it.ended.is_some() || it.is_aside || it.is_complete;
        let own = self.facts.sessions.iter().filter(|(_, it)| has_one(it));
        let ended: Vec<u64> = own.map(|(id, _)| *id).collect();
        let unsure = self.facts.is_disk_unsure;
        let missing: Vec<_> = ended.iter().filter(|it| !listed.contains(it)).collect();
        let lost: Vec<_> = self
            .facts
            .promised
            .iter()
            .filter(|it| !listed.contains(it))
            .collect();
        if !lost.is_empty() {
            let what = format!("certificates {lost:?} were answered as on disk, and are gone");
            return self.violate(what);
        }
        let known = |it: &&u64| !ended.contains(it);
        let more: Vec<_> = listed.iter().filter(known).collect();
        let is_double = listed.windows(2).any(|it| it[0] == it[1]);
        if !unsure && !missing.is_empty() || is_double || !unsure && !more.is_empty() {
            let what = format!(
                "certificates: {missing:?} are missing, {more:?} are of none, twice: {is_double}"
            );
            self.violate(what);
        }
    }
}
