//! The certificate: what a destroy stood on.

use onair_api::{
    Certificate, Counts, Memory, Operation, Reading, StepName, Timestamp, WatchedFile, Who,
};

use onair_probe::Armed;

use super::{Place, Session, convert};
use crate::services::{Services, file_document};

/// Files that a certificate names.
const FILES: usize = 64;

/// Adds the files that are watched for a client, each once.
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

/// What a certificate is issued for.
pub(super) struct Issue {
    pub(super) operation: Operation,
    pub(super) deadline_ms: Option<u64>,
    pub(super) requester: Who,
    pub(super) readings: Vec<Reading>,
}

/// The books' counts, with what the ledgers say that are here.
fn counts(session: &Session) -> Counts {
    let mut counts = session.books.counts;
    let mut outstanding = 0;
    if let Place::Here(runtime) = &session.place {
        for lender in runtime.lenders() {
            counts.frames_lent += lender.published();
            counts.frames_reclaimed += lender.withdrawn();
            outstanding += lender.lent() as u64;
        }
    }
    let otherwise = counts.frames_reclaimed + counts.frames_reconciled + counts.frames_revoked;
    counts.frames_returned = counts.frames_lent.saturating_sub(otherwise + outstanding);
    counts
}

/// Writes it.
pub(super) fn write(session: &Session, services: &Services, issue: Issue) -> Certificate {
    let identity = &services.identity;
    let mut certificate = Certificate {
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
        steps: session.books.steps(),
        readings: issue.readings,
        reconciled: session.books.reconciled.clone(),
        evicted: session.books.evicted.clone(),
        counts: counts(session),
        frames: convert::counters(&session.stats),
        memory: Memory::Pending {
            bytes: session.remains_view().bytes(),
            held_by: session.holders().map(|it| it.client.who.pid).collect(),
        },
        disagreements: session.books.disagreements.clone(),
        digest: None,
    };
    certificate.seal();
    certificate
}

/// Adds what the books have come to since it was issued.
pub(super) fn settle(certificate: &mut Certificate, session: &Session) {
    certificate.counts = counts(session);
    certificate.reconciled.clone_from(&session.books.reconciled);
    certificate.evicted.clone_from(&session.books.evicted);
    certificate.seal();
}

/// Completes it: the kernel's reading says that nobody has the memory any more.
pub fn complete(certificate: &mut Certificate, bytes: u64, reading: Reading) {
    let began = certificate.steps.first().map_or(0, |s| s.monotonic_ns);
    certificate.steps.push(onair_api::Step {
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
}
