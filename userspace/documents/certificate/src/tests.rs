//! A good certificate, and each way to spoil it.

use serde_json::{Value, json};

use crate::{CheckOutcome, Unverifiable, digest, verify};

/// A certificate that a daemon could have written: two readers, one of which died with two frames.
fn good() -> Value {
    let at = "2025-11-20T07:36:00.123456Z";
    let who = json!({"uid": 0, "gid": 0, "pid": 77, "command": "onairctl", "via": "control.sock"});
    let step = |name: &str, us: u64| json!({"step": name, "at": at, "monotonic_ns": 1_000_000 + us * 1000, "since_stop_us": us});
    let reading = |witness: &str, name: &str, word_of: &str, us: u64| {
        json!({"witness": witness, "name": name, "says": "zero", "users": 0, "left_out": 0, "detail": "nobody",
            "word_of": word_of, "at_monotonic_ns": 1_000_000 + us * 1000})
    };
    sealed(
        json!({"format": 2, "session": "6920a1c300000001", "name": "cam1", "owner": who,
        "generation": 3, "boot_id": "b007",
        "versions": {"onaird": "0.1.0", "dpdk": "22.11", "kernel": "6.18"},
        "probe": {"mode": "required", "state": "watching", "reason": null, "canary_at": at, "files": []},
        "operation": "destroy_wait", "deadline_ms": 5000, "requester": who, "issued_at": at,
        "steps": [step("stop_requested", 0), step("gates_closed", 10), step("pollers_quiesced", 20),
            step("destroy_requested", 30), step("last_user_left", 40), step("verdict", 50),
            step("destroyed", 60), step("memory_returned", 70)],
        "readings": [reading("W1", "slots", "client", 40), reading("W1", "ledger", "daemon", 41),
            reading("W2", "probe", "kernel", 42), reading("W3", "pollers", "daemon", 43),
            reading("W4", "mapping", "kernel", 70)],
        "reconciled": [{"pid": 4711, "tid": null, "command": "player", "what": "held_frames",
            "frames": 2, "slots": 1, "cause": "process_died", "at": at}],
        "evicted": [{"attachment": 2, "pid": 4712, "command": "player", "at": at, "cause": "requested",
            "callers_inside": 1, "frames_revoked": 3, "frames_set_aside": 1}],
        "counts": {"attachments": 3, "attachments_at_stop": 2, "blocked_at_stop": 1,
            "frames_lent": 10, "frames_returned": 4, "frames_reclaimed": 1, "frames_reconciled": 2,
            "frames_revoked": 3, "evictions": 1, "reconciliations": 1},
        "frames": {}, "memory": {"state": "returned", "bytes": 1_048_576, "at": at},
        "disagreements": [{"at": "2025-11-20T07:36:00.1Z", "resolved_at": "2025-11-20T07:36:00.12Z",
            "note": "n", "readings": [reading("W1", "slots", "client", 35), {"witness": "W2",
            "name": "probe", "says": "users", "users": 1, "detail": "4711", "word_of": "kernel",
            "at_monotonic_ns": 1_036_000}]}]}),
    )
}

fn sealed(mut document: Value) -> Value {
    document["digest"] = json!(digest::of(&document));
    document
}

/// The checks that fail.
fn failing(document: &Value) -> Vec<String> {
    let found = verify(document).unwrap();
    let failing: Vec<String> = found
        .checks
        .iter()
        .filter(|check| check.outcome == CheckOutcome::Fails)
        .map(|check| check.name.clone())
        .collect();
    assert_eq!(found.holds, failing.is_empty());
    failing
}

/// Sets the value at `pointer`, which must exist and be different; null removes it.
fn set(document: &mut Value, pointer: &str, value: &Value) {
    let place = document.pointer_mut(pointer).expect(pointer);
    assert_ne!(place, value, "{pointer}");
    if !value.is_null() {
        *place = value.clone();
        return;
    }
    let (parent, last) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).unwrap() {
        Value::Object(fields) => drop(fields.remove(last)),
        Value::Array(items) => drop(items.remove(last.parse().unwrap())),
        other => panic!("{other}"),
    }
}

/// Forgeries, resealed with a matching digest: the check that catches it, the pointer, the value.
const FORGED: &str = r#"
# The check that catches each forgery, resealed with a matching digest.
# Witnesses.
slots /readings/0 null
ledger /readings/1 null
probe /readings/2 null
pollers /readings/3 null
memory /readings/4 null
slots /readings/0/says "users"
slots /readings/0/says "unknown"
slots /readings/0/says "not_applicable"
ledger /readings/1/says "users"
ledger /readings/1/says "not_applicable"
probe /readings/2/says "unknown"
probe /readings/2/says "not_applicable"
pollers /readings/3/says "unknown"
pollers /readings/3/says "not_applicable"
memory /readings/4/says "unknown"
slots /readings/0/users 1
ledger /readings/1/users 1
probe /readings/2/users 1
memory /readings/4/users 1
slots /readings/0/name "ledger"
slots /readings/0/witness "W3"
slots /readings/0/word_of "kernel"
probe /readings/2/word_of "daemon"
memory /readings/4/word_of "daemon"
slots /readings/0/at_monotonic_ns 1009999
ledger /readings/1/at_monotonic_ns 1050001
pollers /readings/3/at_monotonic_ns 1065000
probe /probe/mode "off"
probe /probe/state "blind"
probe /probe/canary_at null
# Steps.
steps /steps/0 null
steps /steps/1 null
steps /steps/2 null
steps /steps/3 null
steps /steps/4 null
steps /steps/5 null
steps /steps/6 null
memory /steps/7 null
steps /steps/5/step "destroyed"
steps /steps/7/step "verdict"
clock /steps/3/monotonic_ns 1019999
clock /steps/3/since_stop_us 31
clock /boot_id ""
# Operation, deadline, requester.
deadline /operation "destroy"
requester /operation "shutdown"
deadline /deadline_ms null
# Memory.
memory /memory {"state":"pending","bytes":1,"held_by":[1]}
memory /memory {"state":"unverified","bytes":1,"reason":"r"}
memory /readings/4/at_monotonic_ns 1059999
memory /readings/4/at_monotonic_ns 1070001
# Counts.
frames /counts/frames_lent 11
frames /counts/frames_returned 8
frames /counts/frames_reclaimed 0
frames /counts/frames_lent null
frames /counts/frames_returned 18446744073709551615
reconciled /counts/frames_reconciled 3
reconciled /counts/reconciliations 2
reconciled /counts/attachments_at_stop 4
evicted /counts/frames_revoked 2
evicted /counts/evictions 0
evicted /counts/attachments 0
evicted /evicted/0 null
evicted /evicted/0/frames_revoked 4
evicted /evicted/0/frames_set_aside 4
memory /readings/4/left_out 1
steps /operation "abort"
steps /operation "quarantine"
steps /steps/4/step "evicted"
steps /steps/4/step "quarantined"
reconciled /reconciled/0 null
reconciled /reconciled/0/frames 1
# Disagreements.
disagreements /disagreements/0/resolved_at null
disagreements /disagreements/0/resolved_at "2025-11-20T07:36:00.09Z"
disagreements /disagreements/0/resolved_at "2025-11-20T07:36:01Z"
disagreements /disagreements/0/readings/1 null
# The form.
form /operation "destroy_force"
form /session "cam1"
form /probe null
"#;

#[test]
fn certificate_good_then_holds() {
    assert_eq!(failing(&good()), [""; 0]);
}

#[test]
fn certificate_forged_and_resealed_then_caught_by_its_check() {
    let forged = FORGED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(forged.clone().count(), 78);
    for line in forged {
        let [caught_by, pointer, value] = line.split(' ').collect::<Vec<_>>()[..] else {
            panic!("{line}");
        };
        let mut document = good();
        set(
            &mut document,
            pointer,
            &serde_json::from_str(value).unwrap(),
        );
        let failing = failing(&sealed(document));
        assert!(
            failing.iter().any(|name| name == caught_by),
            "{pointer} = {value} is caught by {failing:?}"
        );
    }
}

#[test]
fn certificate_requested_by_the_daemon_then_only_a_wait_holds() {
    let mut document = good();
    set(&mut document, "/requester/via", &"daemon".into());
    assert_eq!(failing(&sealed(document.clone())), [""; 0]);
    set(&mut document, "/operation", &"destroy".into());
    let failing = failing(&sealed(document));
    assert!(
        failing.iter().any(|name| name == "requester"),
        "{failing:?}"
    );
}

#[test]
fn certificate_any_value_changed_then_the_digest_shows_it() {
    fn walk(value: &Value, pointer: &str, leaves: &mut Vec<String>) {
        match value {
            Value::Object(fields) => fields
                .iter()
                .for_each(|(name, value)| walk(value, &format!("{pointer}/{name}"), leaves)),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(at, value)| walk(value, &format!("{pointer}/{at}"), leaves)),
            _ => leaves.push(pointer.to_owned()),
        }
    }
    let mut leaves = Vec::new();
    walk(&good(), "", &mut leaves);
    assert!(leaves.len() > 100, "{}", leaves.len());
    for leaf in leaves.iter().filter(|leaf| *leaf != "/format") {
        let mut document = good();
        set(&mut document, leaf, &json!("changed"));
        assert!(failing(&document).contains(&"digest".to_owned()), "{leaf}");
    }
}

#[test]
fn certificate_field_added_or_removed_then_the_digest_shows_it() {
    let mut more = good();
    more["note"] = json!("of a later daemon");
    assert_eq!(failing(&more), ["digest"]);
    assert_eq!(
        failing(&sealed(more)),
        [""; 0],
        "unknown fields are covered"
    );
    let mut less = good();
    set(&mut less, "/digest", &Value::Null);
    assert_eq!(failing(&less), ["digest"]);
}

#[test]
fn certificate_late_then_the_deadline_was_not_respected() {
    let mut document = good();
    document["deadline_ms"] = json!(0);
    assert_eq!(failing(&sealed(document.clone())), [""; 0]);
    for (at, us) in [(5, 2_000_050_u64), (6, 2_000_060), (7, 2_000_070)] {
        document["steps"][at]["monotonic_ns"] = json!(1_000_000 + us * 1000);
        document["steps"][at]["since_stop_us"] = json!(us);
    }
    document["readings"][4]["at_monotonic_ns"] = json!(2_001_070_000_u64);
    assert_eq!(failing(&sealed(document)), ["deadline"]);
}

#[test]
fn certificate_probe_not_required_then_its_silence_is_allowed() {
    for (mode, state) in [
        ("preferred", "blind"),
        ("off", "off"),
        ("preferred", "watching"),
    ] {
        let mut document = good();
        document["probe"] = json!({"mode": mode, "state": state, "reason": null,
            "canary_at": null, "files": []});
        document["readings"][2]["says"] = json!("not_applicable");
        assert_eq!(failing(&sealed(document.clone())), [""; 0]);
        document["readings"][0]["says"] = json!("not_applicable");
        assert_eq!(failing(&sealed(document)), ["slots"]);
    }
}

#[test]
fn certificate_memory_still_held_then_holds_as_pending() {
    let mut document = good();
    document["memory"] = json!({"state": "pending", "bytes": 1, "held_by": [1]});
    document["readings"][4]["says"] = json!("users");
    document["readings"][4]["users"] = json!(1);
    set(&mut document, "/steps/7", &Value::Null);
    assert_eq!(failing(&sealed(document)), [""; 0]);
}

#[test]
fn certificate_callers_left_out_then_only_evicted_ones() {
    let mut document = good();
    document["readings"][2]["left_out"] = json!(1);
    assert_eq!(failing(&sealed(document.clone())), [""; 0]);
    document["evicted"] = json!([]);
    document["counts"]["evictions"] = json!(0);
    document["counts"]["frames_revoked"] = json!(0);
    document["counts"]["frames_returned"] = json!(7);
    assert_eq!(failing(&sealed(document)), ["probe"]);
}

#[test]
fn certificate_of_an_abort_then_only_the_probe_may_see_a_user() {
    let mut document = good();
    document["operation"] = json!("abort");
    document["deadline_ms"] = json!(null);
    document["steps"][4]["step"] = json!("evicted");
    document["readings"][2]["says"] = json!("users");
    document["readings"][2]["users"] = json!(1);
    document["disagreements"][0]["resolved_at"] = json!(null);
    assert_eq!(failing(&sealed(document.clone())), [""; 0]);
    for (reading, name) in [(0, "slots"), (1, "ledger"), (3, "pollers")] {
        let mut bad = document.clone();
        bad["readings"][reading]["says"] = json!("users");
        bad["readings"][reading]["users"] = json!(1);
        assert_eq!(failing(&sealed(bad)), [name]);
    }
    set(&mut document, "/steps/4", &Value::Null);
    assert_eq!(failing(&sealed(document)), ["steps"]);
}

/// A session that was set aside with a caller; its memory is still held.
fn quarantined() -> Value {
    let mut document = good();
    document["operation"] = json!("quarantine");
    document["deadline_ms"] = json!(null);
    document["steps"][5]["step"] = json!("quarantined");
    for at in [7, 6, 4, 3] {
        set(&mut document, &format!("/steps/{at}"), &Value::Null);
    }
    document["memory"] = json!({"state": "pending", "bytes": 1, "held_by": [4711]});
    for at in [0, 4] {
        document["readings"][at]["says"] = json!("users");
        document["readings"][at]["users"] = json!(1);
    }
    document["readings"][4]["at_monotonic_ns"] = json!(1_044_000);
    document["counts"]["frames_returned"] = json!(2);
    document["disagreements"][0]["resolved_at"] = json!(null);
    sealed(document)
}

#[test]
fn certificate_of_a_quarantine_then_users_told_and_memory_kept() {
    assert_eq!(failing(&quarantined()), [""; 0]);
    let mut over = quarantined();
    over["memory"] = json!({"state": "returned", "bytes": 1, "at": "2025-11-20T07:36:09Z"});
    assert_eq!(failing(&sealed(over.clone())), ["memory", "frames"]);
    over["readings"][4] = good()["readings"][4].clone();
    let mut step = good()["steps"][7].clone();
    over["steps"].as_array_mut().unwrap().push(step.take());
    assert_eq!(failing(&sealed(over.clone())), ["frames"]);
    over["counts"]["frames_returned"] = json!(4);
    assert_eq!(failing(&sealed(over.clone())), [""; 0]);
    over["readings"][4]["at_monotonic_ns"] = json!(1_044_000);
    assert_eq!(failing(&sealed(over)), ["memory"]);
}

#[test]
fn certificate_session_that_never_ran_then_needs_no_stop() {
    let mut document = good();
    document["generation"] = json!(0);
    for _ in 0..3 {
        set(&mut document, "/steps/0", &Value::Null);
    }
    for step in document["steps"].as_array_mut().unwrap() {
        step["since_stop_us"] = json!(step["since_stop_us"].as_u64().unwrap() - 30);
    }
    assert_eq!(failing(&sealed(document.clone())), [""; 0]);
    document["generation"] = json!(1);
    assert!(failing(&sealed(document)).contains(&"steps".to_owned()));
}

/// A session that was restored stopped, and destroyed without a start: the daemon of `6920a1c3`
/// reports what the daemon of `6920a1c2` recorded.
fn restored() -> Value {
    let mut document = good();
    document["steps"][0]["step"] = json!("restored");
    for at in [2, 1] {
        set(&mut document, &format!("/steps/{at}"), &Value::Null);
    }
    document["stopped_before"] = json!({"at": "2025-11-20T07:35:00Z",
        "session": "6920a1c200000007", "boot_id": "b006"});
    sealed(document)
}

#[test]
fn certificate_restored_stopped_then_the_earlier_stop_is_told() {
    let document = restored();
    assert_eq!(failing(&document), [""; 0]);
    let checks = verify(&document).unwrap().checks;
    let told = checks
        .iter()
        .find(|check| check.name == "restored")
        .unwrap();
    assert!(told.detail.contains("6920a1c200000007"), "{told:?}");
    let mut quarantined = quarantined();
    quarantined["steps"] = restored()["steps"].clone();
    quarantined["steps"][1]["step"] = json!("quarantined");
    quarantined["steps"][1]["monotonic_ns"] = json!(1_050_000);
    quarantined["steps"][1]["since_stop_us"] = json!(50);
    quarantined["steps"].as_array_mut().unwrap().truncate(2);
    assert_eq!(failing(&sealed(quarantined)), [""; 0]);
    // A daemon that did not write the stop down.
    let mut without = restored();
    set(&mut without, "/stopped_before", &Value::Null);
    assert_eq!(failing(&sealed(without)), [""; 0]);
}

#[test]
fn certificate_restored_then_false_claims_caught_by_their_check() {
    let mut none = good();
    none["stopped_before"] = restored()["stopped_before"].clone();
    assert_eq!(failing(&sealed(none)), ["restored"]);
    let mut of_this_daemon = restored();
    of_this_daemon["stopped_before"]["session"] = json!("6920a1c300000000");
    assert_eq!(failing(&sealed(of_this_daemon)), ["restored"]);
    let mut ran = good();
    ran["steps"][1]["step"] = json!("restored");
    assert!(failing(&sealed(ran)).contains(&"steps".to_owned()));
    for run in ["stop_requested", "gates_closed", "pollers_quiesced"] {
        let mut ran = restored();
        let mut step = ran["steps"][0].clone();
        step["step"] = json!(run);
        ran["steps"].as_array_mut().unwrap().insert(1, step);
        assert_eq!(failing(&sealed(ran)), ["steps"], "{run}");
    }
    let mut early = restored();
    early["readings"][0]["at_monotonic_ns"] = json!(999_999);
    assert_eq!(failing(&sealed(early)), ["slots"]);
}

#[test]
fn document_unknown_or_of_another_format_then_refused() {
    for document in [json!(null), json!([]), json!({}), json!({"format": "2"})] {
        assert_eq!(verify(&document), Err(Unverifiable::NotACertificate));
    }
    for format in [0, 1, 3, u64::MAX] {
        let refused = verify(&json!({"format": format})).unwrap_err();
        assert_eq!(refused, Unverifiable::Format { found: format });
        assert!(refused.to_string().contains("knows 2"), "{refused}");
    }
}
