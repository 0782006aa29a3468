use std::time::UNIX_EPOCH;

use serde_json::{Value, from_value, json};

use super::*;

fn spec(change: impl FnOnce(&mut Value)) -> SessionSpec {
    let mut spec = json!({
        "name": "cam", "direction": "receive", "port": "a", "persistent": true,
        "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
        "flow": {"destination": "10.0.0.1:5004"},
    });
    change(&mut spec);
    from_value(spec).unwrap()
}

/// Recorded by an earlier daemon: 100 s from 1970 on, 1000 bytes.
fn manifest(request: &Value) -> Manifest {
    let at = |s: u64| onair_record::Time::from_unix_ns(s * 1_000_000_000);
    let counts = serde_json::to_value(onair_record::Counts::default()).unwrap();
    let session = serde_json::to_value(spec(|_| {})).unwrap();
    from_value(json!({
        "version": 1, "id": "6920a1c300000001", "name": "take", "application": "onaird",
        "session": {"id": "6920a1c300000001", "name": "cam", "spec": session},
        "format": "pcapng", "snap_length": 96, "stage": "repaired", "cause": "killed",
        "started_at": at(0), "as_of": at(100), "totals": counts, "producers": [], "gaps": [],
        "gaps_more": 0, "problems": [],
        "files": [{"name": "take.pcapng", "bytes": 1000, "events": 1, "sha256": null,
            "first_at": at(0), "last_at": at(99)}],
        "request": {
            "spec": request, "owner": 7,
            "starter": {"uid": 7, "gid": 7, "pid": 9, "command": "t", "via": "control.sock"},
        },
    }))
    .unwrap()
}

fn plain() -> Value {
    json!({"format": "pcapng"})
}

/// Why it is over this many seconds after its start, with this session.
fn over(seconds: u64, of: &Manifest, owner: u32, spec: &SessionSpec) -> Option<RecordingEnd> {
    let session = Restored { owner, spec };
    let now = UNIX_EPOCH + Duration::from_secs(seconds);
    decide(of, Some(session), now).err()
}

#[test]
fn recording_goes_on_with_the_session_that_came_back() {
    let (all, spec_of) = (manifest(&plain()), spec(|_| {}));
    assert_eq!(over(200, &all, 7, &spec_of), None);
    let moved = spec(|it| it["flow"]["destination"] = "10.0.0.2:5004".into());
    assert_eq!(over(200, &all, 7, &moved), None);
    let session = Restored {
        owner: 7,
        spec: &spec_of,
    };
    assert_eq!(decide(&all, Some(session), UNIX_EPOCH).ok(), all.request);
}

#[test]
fn recording_is_over_without_its_session_or_with_another() {
    let (all, same) = (manifest(&plain()), spec(|_| {}));
    let ended = RecordingEnd::SessionEnded;
    assert_eq!(decide(&all, None, UNIX_EPOCH).unwrap_err(), ended);
    assert_eq!(over(200, &all, 8, &same), Some(ended));
    let larger = spec(|it| it["video"]["width"] = 128.into());
    assert_eq!(over(200, &all, 7, &larger), Some(ended));
}

#[test]
fn recording_whose_limit_passed_meanwhile_is_over() {
    let same = spec(|_| {});
    let limited = |field: &str, value: u64| {
        let mut request = plain();
        request[field] = value.into();
        manifest(&request)
    };
    let long = limited("duration_ms", 150_000);
    assert_eq!(over(149, &long, 7, &same), None);
    let reached = Some(RecordingEnd::DurationReached);
    assert_eq!(over(150, &long, 7, &same), reached);
    assert_eq!(over(200, &limited("size_bytes", 1001), 7, &same), None);
    let reached = Some(RecordingEnd::SizeReached);
    let small = limited("size_bytes", 1000);
    assert_eq!(over(200, &small, 7, &same), reached);
}

#[test]
fn recording_without_a_request_or_restarted_often_is_over() {
    let same = spec(|_| {});
    let mut all = manifest(&plain());
    let restart = onair_record::Restart {
        cause: RecordingEnd::Killed,
        after: None,
        before: None,
        missed: None,
    };
    all.restarts = vec![restart; LISTED];
    let killed = Some(RecordingEnd::Killed);
    assert_eq!(over(200, &all, 7, &same), killed);
    all.restarts.pop();
    assert_eq!(over(200, &all, 7, &same), None);
    all.request = None;
    assert_eq!(over(200, &all, 7, &same), killed);
}
