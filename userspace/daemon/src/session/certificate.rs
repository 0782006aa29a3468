//! The certificate: the evidence for a destroy.

use onair_types::{
    Certificate, Counts, EventKind, Memory, Operation, Reading, StepName, Timestamp, WatchedFile,
    Who,
};

use onair_probe::Armed;

use super::{Session, convert};
use crate::events::Subject;
use crate::pending_reclaim::RetiredMemory;
use crate::services::{Services, file_document};

/// Maximum number of files that a certificate names.
const FILES: usize = 64;

/// Adds the files watched for a client, each once.
pub(super) fn add_files(files: &mut Vec<WatchedFile>, armed: Option<&Armed>) {
    for file in armed.iter().flat_map(|armed| &armed.files) {
        let known = files
            .iter()
            .any(|known| known.inode == file.inode && known.device == file.device);
        if !known && files.len() < FILES {
            files.push(file_document(file));
        }
    }
}

/// The request and the readings that a certificate records.
pub(super) struct Issue {
    pub(super) operation: Operation,
    pub(super) deadline_ms: Option<u64>,
    pub(super) requester: Who,
    pub(super) readings: Vec<Reading>,
}

/// The audit's counts, plus those of the ledgers that are here.
fn counts(session: &Session) -> Counts {
    let mut counts = session.audit.counts;
    if let Some(runtime) = session.lifecycle.runtime() {
        for lender in runtime.lenders() {
            counts.frames_lent += lender.published();
            counts.frames_returned += lender.returned();
            counts.frames_reclaimed += lender.withdrawn();
        }
    }
    counts
}

/// Creates the certificate, unsealed.
pub(super) fn write(session: &Session, services: &Services, issue: Issue) -> Certificate {
    let identity = &services.identity;
    Certificate {
        format: Certificate::FORMAT,
        session: session.id,
        name: session.spec.name.clone(),
        owner: Some(session.owner.clone()),
        generation: session.generation,
        boot_id: identity.boot_id.clone(),
        versions: identity.versions.clone(),
        probe: services.probe_document(session.watched.clone()),
        operation: issue.operation,
        deadline_ms: issue.deadline_ms,
        requester: issue.requester,
        issued_at: Timestamp::now(),
        stopped_before: session.audit.stopped_before.clone(),
        steps: session.audit.steps(),
        readings: issue.readings,
        reconciled: session.audit.reconciled.clone(),
        evicted: session.audit.evicted.clone(),
        counts: counts(session),
        frames: convert::counters(&session.stats),
        memory: Memory::Pending {
            bytes: session.whole_view(&services.pending_reclaim).bytes(),
            held_by: session.holders().map(|it| it.client.who.pid).collect(),
        },
        disagreements: session.audit.disagreements.clone(),
        digest: None,
        durable: true,
    }
}

/// Adds what the audit has recorded since the certificate was issued. The caller seals it.
pub(super) fn settle(certificate: &mut Certificate, session: &Session) {
    certificate.counts = counts(session);
    certificate.reconciled.clone_from(&session.audit.reconciled);
    certificate.evicted.clone_from(&session.audit.evicted);
}

/// Frees the session's memory if no process maps it, then seals and stores the certificate. A
/// certificate that is complete at once is sealed and written once.
pub(super) fn conclude(
    certificate: &mut Certificate,
    services: &mut Services,
    retired: RetiredMemory,
) {
    match services.pending_reclaim.bury(certificate.session, retired) {
        Some((bytes, reading)) => complete(certificate, services, bytes, reading),
        None => {
            certificate.seal();
            services.archive.keep(certificate.clone());
        }
    }
}

/// Completes, reports and stores the certificate: the kernel reports that no process maps the
/// memory any more.
pub fn complete(
    certificate: &mut Certificate,
    services: &mut Services,
    bytes: u64,
    reading: Reading,
) {
    let began = certificate.steps.first().map_or(0, |s| s.monotonic_ns);
    certificate.steps.push(onair_types::Step {
        step: StepName::MemoryReturned,
        at: Timestamp::now(),
        monotonic_ns: reading.at_monotonic_ns,
        since_stop_us: reading.at_monotonic_ns.saturating_sub(began) / 1000,
    });
    certificate
        .readings
        .retain(|old| old.witness != reading.witness);
    certificate.readings.push(reading);
    certificate.memory = Memory::Returned {
        bytes,
        at: Timestamp::now(),
    };
    certificate.seal();
    let about = Subject {
        session: certificate.session,
        name: certificate.name.clone(),
        // As for the certificate itself: the requester may see it.
        owner: certificate.requester.uid,
    };
    let completed = EventKind::CertificateCompleted { bytes };
    services.hub.tell(Some(about), completed);
    services.archive.keep(certificate.clone());
}
