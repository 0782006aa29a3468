//! The certificate: the core's evidence for a destroy, with the daemon's facts.

use std::time::{Duration, Instant};

use onair_api::{
    Certificate, EventKind, Memory, Operation, Reading, Reconciled, ReconciledCause,
    ReconciledWhat, SessionRef, StepName, Timestamp, WatchedFile,
};
use onair_certificate::seal;
use onair_session::{Evidence, RetiredMemory};

use super::{Session, convert};
use crate::events::Subject;
use crate::machine::Charge;
use crate::services::{Services, file_document};

/// Pause between two looks at memory that is on its way back, at the end.
const LOOK: Duration = Duration::from_millis(1);
/// The most that one look counts for of the time for all: a longer one was held up with its host.
const MOST: Duration = Duration::from_millis(20);
/// Maximum number of files that a certificate names.
const FILES: usize = 64;

/// Adds the files watched for a client, each once.
pub(super) fn add_files(files: &mut Vec<WatchedFile>, watched: &[onair_probe::WatchedFile]) {
    for file in watched {
        let known = files
            .iter()
            .any(|known| known.inode == file.inode && known.device == file.device);
        if !known && files.len() < FILES {
            files.push(file_document(file));
        }
    }
}

/// Creates the certificate, unsealed. `retired` is the memory that is no longer with the core.
pub(super) fn write(
    session: &Session,
    services: &Services,
    evidence: Evidence,
    retired: &RetiredMemory,
) -> Certificate {
    let identity = &services.identity;
    let left = services.pending_reclaim.parts(session.id).bytes();
    let mut held_by = evidence.held_by;
    for pid in session
        .former_clients
        .holders(&session.core, services, retired)
    {
        if !held_by.contains(&pid) {
            held_by.push(pid);
        }
    }
    Certificate {
        format: Certificate::FORMAT,
        session: session.id,
        name: session.spec.name.clone(),
        owner: session.owner.clone(),
        generation: evidence.generation,
        boot_id: identity.boot_id.clone(),
        versions: identity.versions.clone(),
        probe: services.probe_document(session.watched.clone()),
        operation: evidence.operation,
        deadline_ms: evidence.deadline_ms,
        requester: evidence.requester,
        issued_at: services.machine.clock().wall(),
        stopped_before: evidence.stopped_before,
        steps: evidence.steps,
        readings: evidence.readings,
        reconciled: evidence.reconciled,
        evicted: evidence.evicted,
        counts: evidence.counts,
        frames: convert::counters(&session.stats),
        memory: Memory::Pending {
            bytes: evidence.bytes + left,
            held_by,
        },
        disagreements: evidence.disagreements,
        digest: None,
        durable: true,
    }
}

/// Frees the session's memory if no process maps it, then seals and stores the certificate. A
/// certificate that is complete at once is sealed and written once.
pub(super) fn conclude(
    certificate: &mut Certificate,
    services: &mut Services,
    charge: Charge,
    retired: RetiredMemory,
) {
    match (services.pending_reclaim).take_or_keep(&*services.machine, charge, retired) {
        Ok((retired, reading)) => {
            complete(certificate, services, retired.bytes(), reading);
            // After that: the requester waits for the archive's thread.
            services.machine.give_back(charge, retired);
        }
        Err(reading) => {
            set_mapping(certificate, reading);
            seal(certificate);
            services.archive.keep(certificate.clone());
        }
    }
}

/// Frees memory that no process has any more, until `until`, and completes the certificates.
pub fn sweep(services: &mut Services, until: Instant) {
    let freed = services
        .pending_reclaim
        .sweep(&mut *services.machine, until);
    for (session, bytes, reading) in freed {
        let found = services.archive.find(&SessionRef::Id(session));
        if let Some(mut certificate) = found.cloned() {
            if session.incarnation() != services.identity.incarnation {
                settle_left(&mut certificate, services.machine.clock().wall());
            }
            complete(&mut certificate, services, bytes, reading);
        } else if !services.archive.is_read() {
            services
                .pending_reclaim
                .await_certificate(session, bytes, reading);
        }
    }
}

/// Credits what an earlier daemon had lent: it has ended, and the last process that had the memory let go of it.
fn settle_left(certificate: &mut Certificate, now: Timestamp) {
    let pid = match &certificate.memory {
        Memory::Pending { held_by, .. } if held_by.len() == 1 => held_by[0],
        _ => 0,
    };
    let counts = &mut certificate.counts;
    let settled = [
        counts.frames_returned,
        counts.frames_reclaimed,
        counts.frames_reconciled,
        counts.frames_revoked,
    ];
    let frames = settled
        .iter()
        .fold(counts.frames_lent, |left, it| left.saturating_sub(*it));
    if frames == 0 || certificate.operation != Operation::Quarantine {
        return;
    }
    counts.frames_reconciled += frames;
    counts.reconciliations += 1;
    if certificate.reconciled.len() < Certificate::LISTED {
        certificate.reconciled.push(Reconciled {
            pid,
            tid: None,
            command: String::new(),
            what: ReconciledWhat::HeldFrames,
            frames,
            slots: 0,
            cause: ReconciledCause::Detached,
            at: now,
        });
    }
}

/// As [`sweep`], at the daemon's end: waits for what is on its way back, at most for `time`.
pub fn sweep_to_the_end(services: &mut Services, time: Duration) {
    let mut now = services.machine.now();
    sweep(services, now + time);
    let mut left = time;
    while services.pending_reclaim.is_returning() && !left.is_zero() {
        services.machine.pause(LOOK);
        let began = services.machine.now();
        sweep(services, began + MOST);
        let took = began.duration_since(now);
        left = left.saturating_sub(took.min(MOST));
        now = began;
    }
}

/// Completes, reports and stores the certificate: the kernel reports that no process maps the
/// memory any more.
fn complete(certificate: &mut Certificate, services: &mut Services, bytes: u64, reading: Reading) {
    let returned_at = services.machine.clock().wall();
    let began = certificate.steps.first().map_or(0, |s| s.monotonic_ns);
    certificate.steps.push(onair_api::Step {
        step: StepName::MemoryReturned,
        at: returned_at,
        monotonic_ns: reading.at_monotonic_ns,
        since_stop_us: reading.at_monotonic_ns.saturating_sub(began) / 1000,
    });
    set_mapping(certificate, reading);
    let own = certificate.session.incarnation() == services.identity.incarnation;
    let left_to = match &mut certificate.memory {
        Memory::Pending { held_by, .. } if !own => std::mem::take(held_by),
        _ => Vec::new(),
    };
    certificate.memory = Memory::Returned {
        bytes,
        at: returned_at,
        left_to,
    };
    seal(certificate);
    let about = Subject {
        session: certificate.session,
        name: certificate.name.clone(),
        // As for the certificate itself: the requester may see it.
        owner: certificate.requester.uid,
        caused_by: certificate.requester.uid,
    };
    let completed = EventKind::CertificateCompleted { bytes };
    services.hub.publish(Some(about), completed);
    services.archive.keep(certificate.clone());
}

/// W4's last reading, of all memory that the session had.
fn set_mapping(certificate: &mut Certificate, reading: Reading) {
    let readings = &mut certificate.readings;
    readings.retain(|old| old.witness != reading.witness);
    readings.push(reading);
}
