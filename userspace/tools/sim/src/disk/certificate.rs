//! Certificates from the cores' evidence, as the daemon makes them.

use std::time::{Duration, UNIX_EPOCH};

use onair_api::{
    Certificate, Memory, Probe, Reading, Says, SessionCounters, SessionId, SessionName, Step,
    StepName, Timestamp, Versions, Who, Witness, WordOf,
};
use onair_certificate::seal;
use onair_session::{Evidence, witness};
use onair_sim_kernel::now_ns;
use serde_json::json;

use super::scene;

/// The wall clock, which makes a step each time.
fn timestamp() -> Timestamp {
    let seconds = scene(|it| {
        it.seconds += 1;
        it.seconds
    });
    Timestamp(UNIX_EPOCH + Duration::from_secs(seconds))
}

/// A certificate whose memory is still mapped.
pub(super) fn write(
    session: SessionId,
    name: &SessionName,
    owner: &Who,
    evidence: Evidence,
) -> Certificate {
    let versions = json!({"onaird": "0", "dpdk": "0", "kernel": "0"});
    let probe = json!({"mode": "preferred", "state": "watching", "reason": null, "canary_at": timestamp(), "files": []});
    let versions: Versions = serde_json::from_value(versions).expect("versions");
    let probe: Probe = serde_json::from_value(probe).expect("a probe");
    Certificate {
        format: Certificate::FORMAT,
        session,
        name: name.clone(),
        owner: owner.clone(),
        generation: evidence.generation,
        boot_id: "boot".into(),
        versions,
        probe,
        operation: evidence.operation,
        deadline_ms: evidence.deadline_ms,
        requester: evidence.requester,
        issued_at: timestamp(),
        stopped_before: evidence.stopped_before,
        steps: evidence.steps,
        readings: evidence.readings,
        reconciled: evidence.reconciled,
        evicted: evidence.evicted,
        counts: evidence.counts,
        frames: SessionCounters::default(),
        memory: Memory::Pending {
            bytes: evidence.bytes,
            held_by: evidence.held_by,
        },
        disagreements: evidence.disagreements,
        digest: None,
        durable: true,
    }
}

/// The certificate, completed and sealed: no process has the memory mapped.
pub(super) fn complete(mut certificate: Certificate) -> Certificate {
    let at = certificate.steps.iter().map(|it| it.monotonic_ns).max();
    let at_monotonic_ns = at.unwrap_or_default();
    let began = certificate.steps.first().map_or(0, |it| it.monotonic_ns);
    certificate.steps.push(Step {
        step: StepName::MemoryReturned,
        at: timestamp(),
        monotonic_ns: at_monotonic_ns,
        since_stop_us: at_monotonic_ns.saturating_sub(began) / 1000,
    });
    set_mapping(&mut certificate, Says::Zero, at_monotonic_ns);
    let (Memory::Pending { bytes, .. }
    | Memory::Returned { bytes, .. }
    | Memory::Unverified { bytes, .. }) = certificate.memory;
    let at = timestamp();
    certificate.memory = Memory::Returned {
        bytes,
        at,
        left_to: Vec::new(),
    };
    seal(&mut certificate);
    certificate
}

/// The certificate, sealed: a process has the memory mapped.
pub(super) fn pending(mut certificate: Certificate) -> Certificate {
    set_mapping(&mut certificate, Says::Users, now_ns());
    seal(&mut certificate);
    certificate
}

fn set_mapping(certificate: &mut Certificate, says: Says, at_monotonic_ns: u64) {
    certificate.readings.retain(|it| it.witness != Witness::W4);
    certificate.readings.push(Reading {
        witness: Witness::W4,
        name: witness::MAPPING.into(),
        says,
        users: u64::from(says == Says::Users),
        left_out: 0,
        detail: String::new(),
        word_of: WordOf::Kernel,
        at_monotonic_ns,
    });
}
