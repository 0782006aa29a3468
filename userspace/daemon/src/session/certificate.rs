//! The certificate: what a destroy stood on.

use onair_api::{Certificate, Memory, Probe, Reading, StepName, Timestamp, WatchedFile};

use super::attachment::Attachment;
use super::{Destroy, Session, convert};
use crate::services::{Identity, file_document};

/// The files that were watched for these attachments, each once.
pub(super) fn watched_files<'a>(
    attachments: impl Iterator<Item = &'a Attachment>,
) -> Vec<WatchedFile> {
    let mut files: Vec<WatchedFile> = Vec::new();
    let all = attachments
        .filter_map(|attachment| attachment.watched.as_ref())
        .flat_map(|watched| &watched.armed.files);
    for file in all {
        let known = files
            .iter()
            .any(|known| known.inode == file.inode && known.device == file.device);
        if !known {
            files.push(file_document(file));
        }
    }
    files
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
        .saturating_sub(counts.frames_reclaimed + counts.frames_reconciled);
    Certificate {
        format: Certificate::FORMAT,
        session: session.id,
        name: session.spec.name.clone(),
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
        counts,
        frames: convert::counters(&session.stats),
        memory: Memory::Pending {
            bytes: memory.0,
            held_by: memory.1,
        },
        disagreements: session.books.disagreements.clone(),
    }
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
}
