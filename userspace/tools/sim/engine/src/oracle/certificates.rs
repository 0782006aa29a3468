//! No session ends under its users, and each leaves one certificate.

use onair_api::operations::{CertificateQuery, ListCertificates, ShowCertificate};
use onair_api::{Certificate, Event, EventKind, Memory, Operation, SessionId};

use super::facts::SessionFacts;
use crate::stage::Stage;

impl Stage {
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
