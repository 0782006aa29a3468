//! Documents as a daemon writes them.

use serde_json::{Value, json};

pub(crate) const AT: &str = "2025-11-20T07:36:00.123456Z";

pub(crate) fn who() -> Value {
    json!({"uid": 0, "gid": 0, "pid": 77, "command": "onairctl", "via": "control.sock"})
}

pub(crate) fn session() -> Value {
    json!({"id": "6920a1c300000001", "name": "cam1", "direction": "receive", "port": "b",
        "video": {"width": 1280, "height": 720, "frame_rate": "60/1", "depth": 10},
        "flow": {"destination": "10.77.0.2:5004", "payload_type": 96}, "source": null,
        "quota": 4, "max_attachments": 4, "state": "running", "owner": who(), "created_at": AT,
        "stopped_at": null,
        "attachments": [{"attachment": 1, "pid": 4711, "command": "play\u{1b}[2Jer", "uid": 1000,
            "client_version": "0.1.0", "lent": 2, "threads_inside": 3, "state": "attached"}],
        "recent": {"frames_per_1000_s": 59_940, "bits_per_second": 1_326_000_000, "lost_ppm": 1_200,
            "last_frame_at": AT},
        "counters": {"frames_complete": 600, "packets": 9000, "bytes": 2_097_152,
            "packets_malformed": {"too_short": 2}},
        "of_a_later_version": true})
}

/// As [`session`], in a list.
pub(crate) fn listed() -> Value {
    json!({"id": "6920a1c300000001", "name": "cam1", "direction": "receive", "state": "running", "port": "b",
        "destination": "10.77.0.2:5004", "video": "1280x720 60 fps 10 bit", "frame_rate": "60/1",
        "attachments": 1, "max_attachments": 4, "owner": 0, "created_at": AT,
        "problems": ["two_sources"],
        "recent": {"frames_per_1000_s": 59_940, "bits_per_second": 1_326_000_000, "lost_ppm": 1_200,
            "last_frame_at": AT},
        "of_a_later_version": true})
}

pub(crate) fn clock() -> Value {
    json!({"tai_minus_utc_s": 37, "times_set": 0, "ptp": {"state": "off"}})
}

pub(crate) fn health(ready: bool) -> Value {
    json!({"status": if ready { "degraded" } else { "probe_blind" }, "live": true, "ready": ready,
        "problems": ["the probe does not see: no permission"], "version": "0.1.0", "pid": 5,
        "boot_id": "b", "started_at": AT, "uptime_ms": 1,
        "probe": {"mode": "required", "state": "blind", "reason": null, "canary_at": null, "files": []},
        "dataplane": {"backend": "ring", "dpdk": "22.11", "hugepages": false, "ports": [], "pollers": []},
        "sessions": {}, "clock": clock()})
}

pub(crate) fn blocker() -> Value {
    json!({"pid": 4711, "tid": 4712, "command": "player", "thread": "reader", "attachment": 1,
        "kind": "blocked", "since": AT, "blocked_for_ms": 1500, "waits_in": "buffer_get",
        "held_frames": [{"frame": 2, "age_ms": 40}], "seen_by": ["W1", "W2"], "note": null})
}

pub(crate) fn reading() -> Value {
    json!({"witness": "W2", "name": "probe", "says": "users", "users": 1, "detail": "4711/4712",
        "word_of": "kernel", "at_monotonic_ns": 5})
}

pub(crate) fn certificate() -> Value {
    json!({"format": 2, "session": "6920a1c300000001", "name": "cam1", "owner": who(), "generation": 3,
        "boot_id": "b007", "versions": {"onaird": "0.1.0", "dpdk": "22.11", "kernel": "6.18"},
        "probe": {"mode": "required", "state": "watching", "reason": null, "canary_at": AT,
            "files": [{"path": "/usr/bin/player", "device": 1, "inode": 42, "build_id": null, "sites": []}]},
        "operation": "destroy_wait", "deadline_ms": 5000, "requester": who(), "issued_at": AT,
        "steps": [{"step": "stop_requested", "at": AT, "monotonic_ns": 1, "since_stop_us": 0},
            {"step": "destroyed", "at": AT, "monotonic_ns": 2, "since_stop_us": 157}],
        "readings": [reading()],
        "reconciled": [{"pid": 4711, "tid": null, "command": "player", "what": "held_frames",
            "frames": 2, "slots": 0, "cause": "process_died", "at": AT}],
        "counts": {"frames_lent": 10, "frames_returned": 7, "frames_reclaimed": 1, "frames_reconciled": 2},
        "frames": {}, "memory": {"state": "returned", "bytes": 1_048_576, "at": AT},
        "disagreements": []})
}

#[track_caller]
pub(crate) fn all_in(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing:\n{text}");
    }
}
