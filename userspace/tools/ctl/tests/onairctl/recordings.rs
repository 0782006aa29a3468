//! Recordings: tables, waiting, exit codes.

use onair_api::{Problem, ProblemCode};
use serde_json::{Value, json};

use crate::support::{AT, Played, all_in, who};

pub(crate) fn recording(state: &str) -> Value {
    let counts = json!({"arrived": 1000, "accepted": 990, "dropped": {"ring_full": 10},
        "written": 980, "written_bytes": 94_080, "lost": {"disk_fault": 10}, "pending": 0, "missing": 20});
    let mut producer = counts.clone();
    producer["name"] = json!("b (onair-p0)");
    json!({"id": "6920a1c300000001", "name": "take2", "session": "6920a1c300000002",
        "session_name": "cam1", "format": "pcapng", "state": state, "owner": who(),
        "started_at": AT, "folder": "/var/lib/onair/recordings",
        "files": [{"name": "take2.pcapng", "bytes": 2_097_152, "events": 980,
            "sha256": "ab\u{1b}[2Jcd"}],
        "counts": counts, "producers": [producer], "gaps": 2, "of_a_later_version": true})
}

#[test]
fn table_recordings_then_a_line_each_with_what_is_wrong() {
    let mut degraded = recording("degraded");
    degraded["reason"] = json!("the disk has not answered for 3 s");
    let ran = Played::document(200, &json!({"recordings": [degraded]})).run("record list");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "NAME",
            "take2",
            "cam1",
            "pcapng",
            "degraded",
            "2.00 MiB",
            "980",
            "10",
            "the disk has not answered for 3 s",
        ],
    );
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
    let none = Played::document(200, &json!({"recordings": []})).run("record list");
    all_in(&none.out, &["No recordings."]);
}

#[test]
fn table_one_recording_then_files_counts_and_repair() {
    let mut repaired = recording("repaired");
    repaired["end"] = json!("killed");
    repaired["repair"] = json!({"at": AT, "cut_bytes": 7, "added_bytes": 40,
        "says": "arrived at least 1000; what came after is not known"});
    repaired["restarts"] =
        json!([{"cause": "killed", "after": AT, "missed": 4711}, {"cause": "shutdown"}]);
    let ran = Played::document(200, &repaired).run("record show take2");
    all_in(
        &ran.out,
        &[
            "take2 (6920a1c300000001)",
            "killed",
            "take2.pcapng",
            "b (onair-p0)",
            "10 (ring_full 10)",
            "10 (disk_fault 10)",
            "2 gaps",
            "MISSED",
            "4711",
            "shutdown",
            "what came after is not known",
        ],
    );
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}

#[test]
fn record_start_with_wait_then_looked_at_until_it_has_ended() {
    let start = "POST /v1/sessions/cam1/recordings";
    let look = "GET /v1/recordings/6920a1c300000001";
    for (last, code) in [("finished", 7), ("failed", 1)] {
        let daemon = Played::script(&[
            (start, recording("recording")),
            (look, recording("degraded")),
            (look, recording("finishing")),
            (look, recording(last)),
        ]);
        let ran = daemon.run("--json record start cam1 --format pcapng --wait");
        assert_eq!(ran.code, code, "{ran:?}");
        let document: Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!(document, recording(last));
        let warning =
            "onairctl: warning: 20 of 1000 packets (2.0 %) are missing in recording take2";
        assert!(ran.err.contains(warning), "{ran:?}");
        assert_eq!(daemon.requests.try_iter().count(), 4);
    }
}

#[test]
fn record_stop_not_in_time_or_failed_then_4_or_1() {
    let late = Problem::new(ProblemCode::DeadlinePassed, "its files are not whole yet");
    assert_eq!(Played::problem(&late).run("record stop take2").code, 4);
    let failed = Played::document(200, &recording("failed")).run("record stop take2");
    assert_eq!(failed.code, 1, "{failed:?}");
    let missing = Played::document(200, &recording("finished")).run("record stop take2");
    assert_eq!(missing.code, 7, "{missing:?}");
    assert!(missing.err.contains("20 of 1000"), "{missing:?}");
    // Not the packets after the end.
    let mut whole = recording("finished");
    whole["counts"] = json!({"arrived": 1000, "accepted": 990, "dropped": {"not_accepting": 10},
        "written": 990});
    let done = Played::document(200, &whole).run("record stop take2");
    assert_eq!((done.code, done.err.as_str()), (0, ""), "{done:?}");
}
