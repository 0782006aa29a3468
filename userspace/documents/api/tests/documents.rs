//! Documents of the API in which a video format appears, against the JSON in `documents/`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::path::{Path, PathBuf};

use onair_api::operations::Input as _;
use onair_api::{
    Event, ListedSession, NewSession, NewSessionDocument, SessionPatch, SessionSpec, SessionView,
    Signal, SpecDocument,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/documents")
        .join(name)
}

fn document(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Compares as text: the order of the fields counts.
fn check(path: &Path, found: &Value) {
    let found = format!("{found:#}\n");
    assert_eq!(
        found,
        fs::read_to_string(path).unwrap(),
        "{}",
        path.display()
    );
}

fn written<T: Serialize>(value: &T) -> Value {
    serde_json::to_value(value).unwrap()
}

fn read<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

/// `given` as a client writes it; the other fields as OnAir writes them.
#[test]
fn specification_of_each_format_then_written_as_pinned() {
    let mut formats = 0;
    for entry in fs::read_dir(folder("formats")).unwrap() {
        let path = entry.unwrap().path();
        let pinned = document(&path);
        let spec: SessionSpec = read(&pinned["given"]);
        let request: NewSession = read(&pinned["given"]);
        let patch: SessionPatch = read(&pinned["patch"]);
        let stored = written(&spec);
        assert_eq!(read::<SessionSpec>(&stored), spec);
        assert_eq!(read::<NewSession>(&written(&request)), request);
        let found = json!({
            "given": pinned["given"],
            "format": spec.format.to_string(),
            "frame_bytes": spec.format.unit_bytes(),
            "spec": stored,
            "request": request,
            "patch": patch,
            "patched": patch.apply(&spec).map_err(|errors| errors.0),
        });
        check(&path, &found);
        formats += 1;
    }
    assert_eq!(formats, 7);
}

/// A buffer has whole packets, by default of about 10 ms: how many is said before packets change.
#[test]
fn packet_time_changed_then_a_buffer_keeps_its_samples() {
    let spec: SessionSpec = read(&json!({"name": "mic1", "direction": "send", "port": "a",
        "audio": {"coding": "L16", "sample_rate": 48_000, "channels": 2, "packet_time_us": 4_000},
        "flow": {"destination": "10.77.0.2:5004"}}));
    let patch: SessionPatch = read(&json!({"audio": {"packet_time_us": null}}));
    let changed = written(&patch.apply(&spec).unwrap());
    let expected =
        json!({"coding": "L16", "sample_rate": 48_000, "channels": 2, "block_samples": 576});
    assert_eq!(changed["audio"], expected);
}

#[test]
fn invalid_formats_then_refused_as_pinned() {
    let path = folder("invalid.json");
    let mut pinned = document(&path);
    for case in pinned.as_array_mut().unwrap() {
        let mut spec = json!({"name": "cam1", "direction": "send", "port": "a",
            "video": {"width": 720, "height": 486, "frame_rate": "30000/1001", "depth": 10},
            "flow": {"destination": "10.77.0.2:5004"}});
        let changes = case["video"].as_object().unwrap().clone();
        spec["video"].as_object_mut().unwrap().extend(changes);
        let error = match serde_json::from_value::<NewSessionDocument>(spec.clone()) {
            Ok(document) => NewSession::accept(document).unwrap_err().to_string(),
            Err(error) => error.to_string(),
        };
        let fields = serde_json::from_value(spec)
            .map(|document: SpecDocument| SessionSpec::try_from(document).unwrap_err().0)
            .unwrap_or_default();
        case["error"] = error.into();
        case["fields"] = written(&fields);
    }
    check(&path, &pinned);
}

fn same<T: Serialize + DeserializeOwned>(name: &str) -> Vec<T> {
    let path = folder(name);
    let all: Vec<T> = read(&document(&path));
    check(&path, &written(&all));
    all
}

#[test]
fn sessions_then_shown_and_listed_as_pinned() {
    let views = same::<SessionView>("views.json");
    let listed: Vec<_> = views.iter().map(ListedSession::from).collect();
    check(&folder("listed.json"), &written(&listed));
    same::<ListedSession>("listed.json");
}

#[test]
fn signals_and_events_then_written_as_pinned() {
    same::<Signal>("signals.json");
    same::<Event>("events.json");
}
