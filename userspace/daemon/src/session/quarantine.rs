//! Sets a session aside with its users: its name becomes free, no process gets anything of it any
//! more, and its memory is freed when the last holder is gone.

use onair_ipc::memory::State;
use onair_types::{
    Blocker, BlockerKind, Certificate, EventKind, Operation, Problem, ProblemCode, Says, StepName,
    Who, Witness,
};

use super::running::refuse_starts;
use super::{Draft, Progress, Session, certificate};
use crate::inspector::{Finding, Purpose};
use crate::services::Services;

impl Session {
    /// Whether it was set aside.
    pub fn is_quarantined(&self) -> bool {
        self.lifecycle.is_quarantined()
    }

    /// Whether a poller still has it, and with it its flow.
    pub fn is_with_a_poller(&self) -> bool {
        self.lifecycle.runtime().is_none()
    }

    /// Closes the session for good, with its users inside: every call returns `ESTALE`. The
    /// certificate records the witnesses' readings, and is completed when the memory is freed.
    ///
    /// # Errors
    /// `running`, `draining`.
    pub fn quarantine(
        &mut self,
        services: &mut Services,
        requester: Who,
    ) -> Result<Box<Certificate>, Problem> {
        // The witnesses are read before anything changes.
        let checked = self.lifecycle.check_quarantine();
        checked.map_err(|refusal| self.refusal(refusal))?;
        let readings = self.read(services, true);
        let begun = self.lifecycle.quarantine();
        let starts = begun.map_err(|refusal| self.refusal(refusal))?;
        refuse_starts(
            starts,
            ProblemCode::Quarantined,
            "the session was quarantined before it had started",
        );
        self.warnings.end();
        for attachment in self.attachments.values_mut() {
            attachment.close(State::Gone, services);
        }
        self.audit.note(StepName::Quarantined);
        let issue = certificate::Issue {
            operation: Operation::Quarantine,
            deadline_ms: None,
            requester,
            readings,
        };
        let mut certificate = certificate::write(self, services, issue);
        certificate.seal();
        services.archive.keep(certificate.clone());
        let (session, bytes) = (
            self.id.0,
            self.whole_view(&services.pending_reclaim).bytes(),
        );
        self.name_blockers(services, move |blockers| Finding::Blockers {
            session,
            blockers,
            purpose: Purpose::Quarantined(bytes),
        });
        tracing::warn!(session = %self.id, name = %self.spec.name, "quarantined");
        self.rescan.begin();
        Ok(Box::new(certificate))
    }

    /// Frees it if its poller has handed it back and no process has any of its memory.
    pub(super) fn advance_quarantine(&mut self, services: &mut Services) -> Progress {
        self.settle();
        let over = !self.is_with_a_poller()
            && self.attachments.is_empty()
            && self.evicted_clients.list.is_empty()
            && self.whole_view(&services.pending_reclaim).reading().says == Says::Zero;
        if !over {
            return Progress::Lives;
        }
        let mut found = services.archive.find(&self.id.into()).cloned();
        if let Some(certificate) = &mut found {
            certificate::settle(certificate, self);
        }
        self.lifecycle.end();
        let retired = self.take_retired();
        match found {
            Some(mut certificate) => certificate::conclude(&mut certificate, services, retired),
            None => services.pending_reclaim.keep(self.id, retired),
        }
        tracing::info!(session = %self.id, name = %self.spec.name, "its last holder is gone");
        Progress::Freed
    }

    /// Publishes that it was quarantined, with the processes that have its memory.
    pub fn tell_quarantined(&self, services: &mut Services, bytes: u64, blockers: Vec<Blocker>) {
        let (blockers, more) = EventKind::cut(blockers);
        let quarantined = EventKind::Quarantined {
            bytes,
            blockers,
            more,
        };
        self.tell(services, quarantined);
    }

    /// Adds the processes that block only the memory.
    pub(super) fn add_mappers(&self, draft: &mut Draft) {
        let mapper = |pid, (command, version): (&str, &str), attachment, note: &str| Blocker {
            pid,
            tid: None,
            command: command.to_owned(),
            thread: String::new(),
            attachment,
            kind: BlockerKind::Mapping,
            since: None,
            blocked_for_ms: None,
            waits_in: None,
            held_frames: Vec::new(),
            seen_by: vec![Witness::W4],
            note: Some(note.to_owned()),
            client_version: version.to_owned(),
            kernel_state: None,
            wait_channel: None,
        };
        for it in self.holders() {
            if draft.has(it.number) {
                continue;
            }
            let who = &it.client.who;
            let note =
                "the session is quarantined; its memory is freed when this process releases it";
            let told = (who.command.as_str(), it.client.library.as_str());
            draft.add(mapper(who.pid, told, Some(it.number), note));
        }
        let is_held = || self.retired_view().reading().says != Says::Zero;
        if draft.is_empty() && is_held() {
            let note =
                "a process that never attached has the memory: its descriptors were passed on";
            draft.add(mapper(0, ("", ""), None, note));
        }
    }
}
