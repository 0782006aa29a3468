//! Documents in the form of the real daemon.

use onair_api::{
    AttachmentState, AttachmentView, Blocker, BlockerKind, Certificate, ClockHealth, Counts,
    Dataplane, Health, HealthStatus, HeldFrame, Memory, Operation, Probe, ProbeMode, ProbeState,
    PtpHealth, PtpState, Reading, Says, SessionCounters, SessionName, SessionTally, SessionView,
    Step, StepName, Timestamp, Verdict, Versions, Via, WaitsIn, Who, Witness, WordOf,
};
use onair_settings::access::authority::Caller;

pub(crate) fn attachment() -> AttachmentView {
    AttachmentView {
        attachment: 1,
        pid: 4711,
        command: "player".into(),
        uid: 1000,
        client_version: "0.1.0".into(),
        lent: 1,
        held: 1,
        oldest_held_ms: None,
        fills: false,
        samples: false,
        frames_sampled_out: 0,
        frames_dropped_slow: 0,
        missed: None,
        threads_inside: 1,
        state: AttachmentState::Attached,
    }
}

pub(crate) fn blocker() -> Blocker {
    Blocker {
        pid: 4711,
        tid: Some(4712),
        command: "player".into(),
        thread: "reader".into(),
        attachment: Some(1),
        client_version: "0.1.0".into(),
        kind: BlockerKind::Blocked,
        since: Some(Timestamp::now()),
        blocked_for_ms: Some(1500),
        waits_in: Some(WaitsIn::BufferGet),
        kernel_state: Some("sleeping".into()),
        wait_channel: Some("futex_wait_queue".into()),
        held_frames: vec![HeldFrame {
            frame: 2,
            age_ms: 10,
        }],
        seen_by: vec![Witness::W1, Witness::W2],
        note: None,
    }
}

pub(crate) fn busy_verdict() -> Verdict {
    Verdict {
        destroyable: false,
        disagreement: false,
        reason: "W1 and W2 see one caller".into(),
        at: Timestamp::now(),
        readings: vec![Reading {
            witness: Witness::W2,
            name: "probe".into(),
            says: Says::Users,
            users: 1,
            left_out: 0,
            detail: "player 4711/4712".into(),
            word_of: WordOf::Kernel,
            at_monotonic_ns: 1,
        }],
    }
}

fn probe() -> Probe {
    Probe {
        mode: ProbeMode::Required,
        state: ProbeState::Watching,
        reason: None,
        canary_at: Some(Timestamp::now()),
        files: Vec::new(),
    }
}

pub(crate) fn certificate(
    view: &SessionView,
    caller: &Caller,
    operation: Operation,
    deadline_ms: Option<u64>,
) -> Certificate {
    Certificate {
        format: Certificate::FORMAT,
        owner: caller.who.clone(),
        digest: None,
        durable: true,
        session: view.id,
        name: view.name.clone(),
        generation: 1,
        boot_id: "b".into(),
        versions: Versions {
            onaird: "0.1.0".into(),
            dpdk: "22.11".into(),
            kernel: "6.18".into(),
        },
        probe: probe(),
        operation,
        deadline_ms,
        requester: caller.who.clone(),
        issued_at: Timestamp::now(),
        stopped_before: None,
        steps: vec![Step {
            step: StepName::Destroyed,
            at: Timestamp::now(),
            monotonic_ns: 1,
            since_stop_us: 57,
        }],
        readings: busy_verdict().readings,
        reconciled: Vec::new(),
        evicted: Vec::new(),
        counts: Counts::default(),
        frames: SessionCounters::default(),
        memory: Memory::Pending {
            bytes: 4096,
            held_by: vec![4711],
        },
        disagreements: Vec::new(),
    }
}

pub(crate) fn health(ready: bool) -> Health {
    Health {
        status: if ready {
            HealthStatus::Ok
        } else {
            HealthStatus::ProbeBlind
        },
        live: true,
        ready,
        problems: Vec::new(),
        version: "0.1.0".into(),
        pid: std::process::id(),
        boot_id: "b".into(),
        started_at: Timestamp::now(),
        uptime_ms: 1,
        probe: probe(),
        dataplane: Dataplane {
            backend: "none".into(),
            dpdk: "22.11".into(),
            hugepages: false,
            ports: Vec::new(),
            pollers: Vec::new(),
        },
        sessions: SessionTally::default(),
        unwritten_certificates: 0,
        shares: Vec::new(),
        clock: ClockHealth {
            tai_minus_utc_s: 0,
            times_set: 0,
            ptp: PtpHealth::empty(PtpState::Off, None),
        },
    }
}

/// A session of root's of no other user, made before any request.
pub(crate) fn root() -> Caller {
    Caller {
        who: Who {
            uid: 0,
            gid: 0,
            pid: 1,
            command: "init".into(),
            via: Via::Daemon,
        },
        grant: onair_settings::access::authority::Grant::Any,
        attach: onair_settings::access::authority::Grant::Any,
        if_match: Vec::new(),
        rank: onair_shares::Rank::Root,
    }
}

/// A name for tests.
pub(crate) fn name(text: &str) -> SessionName {
    text.parse().unwrap()
}
