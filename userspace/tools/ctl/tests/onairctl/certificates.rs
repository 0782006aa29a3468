//! Certificates: searched, shown, verified.

use std::io::Write as _;
use std::process::Stdio;

use onair_api::{Certificate, ProblemCode};
use serde_json::{Value, json};

use crate::support::{AT, Played, all_in, onairctl, ran, who};

/// A valid certificate.
fn good() -> Value {
    let step = |name: &str, us: u64| json!({"step": name, "at": AT, "monotonic_ns": us * 1000, "since_stop_us": us});
    let reading = |witness: &str, name: &str, word_of: &str, us: u64| {
        json!({"witness": witness, "name": name, "says": "zero", "users": 0, "left_out": 0,
            "detail": "nobody", "word_of": word_of, "at_monotonic_ns": us * 1000})
    };
    let mut certificate: Certificate = serde_json::from_value(json!({"format": 2,
        "session": "6920a1c300000001", "name": "cam1", "owner": who(), "generation": 3,
        "boot_id": "b007", "versions": {"onaird": "0.1.0", "dpdk": "22.11", "kernel": "6.18"},
        "probe": {"mode": "required", "state": "watching", "reason": null, "canary_at": AT, "files": []},
        "operation": "destroy", "deadline_ms": null, "requester": who(), "issued_at": AT,
        "steps": [step("stop_requested", 0), step("gates_closed", 10), step("pollers_quiesced", 20),
            step("destroy_requested", 30), step("last_user_left", 40), step("verdict", 50),
            step("destroyed", 60), step("memory_returned", 70)],
        "readings": [reading("W1", "slots", "client", 40), reading("W1", "ledger", "daemon", 41),
            reading("W2", "probe", "kernel", 42), reading("W3", "pollers", "daemon", 43),
            reading("W4", "mapping", "kernel", 70)],
        "reconciled": [], "counts": {}, "frames": {},
        "memory": {"state": "returned", "bytes": 1_048_576, "at": AT}, "disagreements": []}))
    .unwrap();
    onair_certificate::seal(&mut certificate);
    serde_json::to_value(certificate).unwrap()
}

#[test]
fn certificate_not_on_disk_then_shown_with_a_warning() {
    let mut answer = good();
    answer["durable"] = json!(false);
    for arguments in ["session destroy cam1", "--json session destroy cam1"] {
        let ran = Played::document(200, &answer).run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        all_in(
            &ran.err,
            &["warning: the certificate of cam1", "not on disk"],
        );
        assert!(!ran.out.contains("warning"), "{ran:?}");
    }
    let ran = Played::document(200, &answer).run("certificate verify cam1");
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = Played::document(200, &good()).run("session destroy cam1");
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
}

#[test]
fn certificate_of_a_restored_session_then_its_stop_is_shown() {
    let mut document = good();
    document["stopped_before"] = json!({"at": AT, "session": "6920a1c200000007",
        "boot_id": "b006"});
    document["steps"][0]["step"] = json!("restored");
    let ran = Played::document(200, &document).run("certificate show cam1");
    all_in(
        &ran.out,
        &[
            "stopped before",
            "6920a1c200000007",
            "AFTER RESTORE",
            "restored",
        ],
    );
}

/// The certificate of `good`, edited by another program.
fn forged() -> Value {
    let mut document = good();
    document["counts"]["frames_lent"] = json!(1);
    document
}

#[test]
fn verify_of_the_daemon_then_each_check_with_its_mark() {
    let ran = Played::document(200, &good()).run("certificate verify cam1");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "cam1: certificate cam1 (6920a1c300000001) is valid",
            "digest         ✓  sha256:",
            "steps          ✓  8, each once and in order",
            "slots          ✓",
            "deadline       –  none",
        ],
    );
    let ran = Played::document(200, &forged()).run("certificate verify cam1");
    assert_eq!(ran.code, 6, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "is invalid",
            "digest         ✗  it says \"sha256:",
            "frames         ✗  1 lent, and 0 returned",
        ],
    );
}

#[test]
fn verify_of_files_then_each_and_the_worst_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let later = json!({"format": 99});
    for (name, text) in [
        ("good.json", good().to_string()),
        ("forged.json", format!("{:#}", forged())),
        ("later.json", later.to_string()),
        ("part.json", good().to_string()[..200].to_owned()),
        ("other.json", "[1]".to_owned()),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    for (files, code, words) in [
        (&["good.json"][..], 0, &["is valid"][..]),
        (&["good.json", "forged.json"], 6, &["is invalid"]),
        (&["forged.json", "later.json"], 6, &["is invalid"]),
        (&["later.json"], 2, &["its format is 99", "knows 2"]),
        (&["part.json"], 2, &["is not a JSON document"]),
        (&["other.json"], 2, &["not a certificate"]),
        (
            &["good.json", "missing.json"],
            2,
            &["cannot read", "is valid"],
        ),
    ] {
        let mut command = onairctl("certificate verify");
        command.args(files.iter().map(|file| folder.path().join(file)));
        let ran = ran(&mut command);
        assert_eq!(ran.code, code, "{files:?}: {ran:?}");
        all_in(&format!("{}{}", ran.out, ran.err), words);
    }
    let mut command = onairctl("--json certificate verify");
    command.args(["good.json", "later.json"].map(|file| folder.path().join(file)));
    let ran = ran(&mut command);
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((ran.code, &document["holds"]), (2, &json!(false)));
    let entries = document["certificates"].as_array().unwrap();
    assert_eq!(entries[0]["holds"], true);
    assert_eq!(entries[0]["checks"][0]["outcome"], "holds");
    assert!(entries[1]["error"].as_str().unwrap().contains("99"));
}

#[test]
fn verify_of_standard_input_then_checked_without_a_daemon() {
    let mut command = onairctl("certificate verify -");
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let text = good().to_string();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn show_of_a_file_then_as_the_daemons() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proof.json");
    std::fs::write(&path, good().to_string()).unwrap();
    let ran = ran(onairctl("certificate show").arg(&path));
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(
        ran.out,
        Played::document(200, &good())
            .run("certificate show cam1")
            .out
    );
    all_in(&ran.out, &["was off air", "digest", "sha256:", "owner"]);
}

#[test]
fn show_of_abort_and_quarantine_then_says_what_it_was() {
    let mut aborted = good();
    aborted["operation"] = json!("abort");
    aborted["evicted"] = json!([{"attachment": 7, "pid": 4711, "command": "player", "at": AT,
        "cause": "requested", "callers_inside": 2, "frames_revoked": 3, "frames_set_aside": 1}]);
    aborted["counts"] = json!({"frames_lent": 5, "frames_returned": 1, "frames_revoked": 3});
    let ran = Played::document(200, &aborted).run("session abort cam1");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "was aborted",
            "Evicted:",
            "4711",
            "+ 3 revoked + 1 still out",
        ],
    );
    let mut aside = good();
    aside["operation"] = json!("quarantine");
    let ran = Played::document(200, &aside).run("session quarantine cam1");
    all_in(
        &ran.out,
        &["set aside with its users", "Witnesses at the quarantine:"],
    );
}

#[test]
fn list_nothing_found_then_said_so() {
    let ran = Played::document(200, &json!({"certificates": []}))
        .run("certificate list --session cam1 --since 1h");
    assert_eq!((ran.code, &*ran.out), (0, "No certificate matches.\n"));
    let ran = Played::code(ProblemCode::Forbidden).run("certificate list");
    assert_eq!(ran.code, 1);
}
