//! The certificate: what a destroy stood on.

use onair_api::{Certificate, Memory, Probe, Reading, StepName, Timestamp, WatchedFile};

use onair_probe::Armed;

use super::{Destroy, Session, convert};
use crate::services::{Identity, file_document};

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

/// Writes it. `memory` is how much there is, and who may still map it.
pub(super) fn write(
    session: &Session,
    identity: &Identity,
    destroy: &Destroy,
    probe: Probe,
    readings: Vec<Reading>,
    memory: (u64, Vec<u32>),
) -> Certificate {
    let stats = session.stats.snapshot();
    let mut counts = session.books.counts;
    counts.frames_reclaimed += stats.frames_dropped_slow;
    counts.frames_returned = counts
        .frames_lent
        .saturating_sub(counts.frames_reclaimed + counts.frames_reconciled + counts.frames_revoked);
    let mut certificate = Certificate {
        format: Certificate::FORMAT,
        session: session.id,
        name: session.spec.name.clone(),
        owner: Some(session.owner.clone()),
        generation: session.generation,
        boot_id: identity.boot_id.clone(),
        versions: identity.versions.clone(),
        probe,
        operation: destroy.operation,
        deadline_ms: destroy.deadline_ms,
        requester: destroy.who.clone(),
        issued_at: Timestamp::now(),
        steps: session.books.steps(),
        readings,
        reconciled: session.books.reconciled.clone(),
        evicted: session.books.evicted.clone(),
        counts,
        frames: convert::counters(&session.stats),
        memory: Memory::Pending {
            bytes: memory.0,
            held_by: memory.1,
        },
        disagreements: session.books.disagreements.clone(),
        digest: None,
    };
    certificate.seal();
    certificate
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
