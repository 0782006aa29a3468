//! Runs the bench on a cheap property, and checks the form of its output, not the figures.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

const KEYS: [&str; 13] = [
    "id",
    "max",
    "met",
    "p50",
    "p99",
    "ratio",
    "reference",
    "reference_name",
    "samples",
    "target",
    "unit",
    "value",
    "variant",
];

fn bench(arguments: &[&str], folder: &Path) {
    let output = Command::new(env!("CARGO_BIN_EXE_onair-bench"))
        .args(arguments)
        .current_dir(folder)
        .output()
        .expect("the bench starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
}

#[test]
fn property_not_measured_then_named_and_others_kept_in_order() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_onair-bench"))
        .args(["--quick", "--only", "p28,P3", "--json", "a.json"])
        .current_dir(folder.path())
        // There is no ip(8) in it, which P28 needs.
        .env("PATH", folder.path())
        .env("RUST_BACKTRACE", "1")
        .output()
        .expect("the bench starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{told}");
    let named = told.lines().last().unwrap();
    assert!(named.starts_with("  P28: "), "{told}");
    assert!(named.ends_with("bench --only P28)"), "{told}");
    assert!(!told.contains("stack backtrace"), "{told}");
    let text = std::fs::read(folder.path().join("a.json")).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    let rows = json["results"].as_array().unwrap();
    let of = |id: &str| rows.iter().find(|row| row["id"] == id).unwrap();
    assert!(of("P3")["value"].is_number() && of("P28")["value"].is_null());
    assert_eq!(
        (&rows[0]["id"], &rows[rows.len() - 1]["id"]),
        (&"P3".into(), &"P28".into())
    );
}

#[test]
fn bench_quick_on_a_property_then_json_and_a_file_of_rows() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    bench(&["--quick", "--only", "p3", "--json", "a.json"], folder);
    let text = std::fs::read(folder.join("a.json")).unwrap();
    let json: Value = serde_json::from_slice(&text).unwrap();
    assert!(json["machine"]["noise"]["stolen_percent"].is_number());
    let results = json["results"].as_array().unwrap();
    for row in results {
        let mut keys: Vec<_> = row.as_object().unwrap().keys().collect();
        keys.sort_unstable();
        assert_eq!(keys, KEYS);
    }
    let measured = &results[0];
    assert_eq!(measured["reference_name"], "ArrayQueue pop + push");
    assert!(measured["samples"].as_u64().unwrap() > 1_000);
    let ratio = measured["value"].as_f64().unwrap() / measured["reference"].as_f64().unwrap();
    assert!((measured["ratio"].as_f64().unwrap() - ratio).abs() < 1e-9);
    assert!(
        measured["target"].is_string() && measured["met"].is_boolean(),
        "{measured}"
    );

    bench(&["rows", "a.json", "rows.json"], folder);
    let rows = std::fs::read(folder.join("rows.json")).unwrap();
    let rows: Value = serde_json::from_slice(&rows).unwrap();
    assert!(rows["run"]["kernel"].is_string());
    assert_eq!(rows["rows"].as_array().unwrap().len(), results.len());
    assert_eq!(rows["rows"][0]["beside"], "ArrayQueue pop + push");
}

#[test]
fn bench_wrong_id_or_file_then_says_what_is_possible() {
    let refused = Command::new(env!("CARGO_BIN_EXE_onair-bench"))
        .args(["--only", "P99"])
        .output()
        .unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("P28"));
}
