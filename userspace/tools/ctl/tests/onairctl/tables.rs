//! What the program prints.

use onair_api::{Problem, ProblemCode, SpecError};
use serde_json::{Value, json};

use crate::support::{
    AT, Played, all_in, blocker, certificate, clock, health, listed, reading, session, who,
};

/// What `top` asks for.
const SESSIONS: &str = "GET /v1/sessions?full=true";

#[test]
fn table_sessions_then_a_line_each_without_colours() {
    let ran = Played::document(200, &json!({"sessions": [listed()]})).run("session list");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "NAME",
            "cam1",
            "6920a1c300000001",
            "running",
            "59.94",
            "0.1 %",
            "1280x720 60 fps 10 bit",
            "→ 10.77.0.2:5004",
            "1/4",
        ],
    );
    assert_eq!(ran.out.lines().count(), 2, "{}", ran.out);
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}

#[test]
fn table_one_session_then_its_parts_and_no_terminal_commands() {
    let ran = Played::document(200, &session()).run("session show cam1");
    all_in(
        &ran.out,
        &[
            "receive",
            "onairctl (pid 77, uid 0) via control.sock",
            "Attachments (1 of 4)",
            "play\u{fffd}[2Jer",
            "packets malformed, too_short",
            "2.00 MiB",
        ],
    );
    assert!(!ran.out.contains('\u{1b}'), "{:?}", ran.out);
}

#[test]
fn table_one_session_then_problems_and_rates_come_first() {
    let mut document = session();
    document["problems"] =
        json!([{"problem": "two_sources", "detail": "SSRC 8 sends into the flow of 7"}]);
    let ran = Played::document(200, &document).run("session show cam1");
    let first: Vec<_> = ran.out.lines().take(6).collect();
    assert_eq!(first[0], "two_sources: SSRC 8 sends into the flow of 7");
    all_in(
        &first.join("\n"),
        &["59.94 of 60", "1.32 Gbit/s", "0.1 %", "last frame"],
    );
}

#[test]
fn top_off_a_terminal_then_one_look_as_table_or_json() {
    let daemon = Played::script(&[
        (SESSIONS, json!({"sessions": [listed()]})),
        ("GET /v1/health", health(true)),
    ]);
    let ran = daemon.run("top");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "cam1",
            "59.94",
            "1.32 Gbit/s",
            "two_sources",
            "POLLER",
            "PORT",
        ],
    );
    let ran = daemon.run("top --json");
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document["sessions"], json!([listed()]));
    assert_eq!(document["ports"], health(true)["dataplane"]["ports"]);
}

/// A listed session as a whole, with these fields of it.
fn whole(name: &str, state: &str, fields: &Value) -> Value {
    let mut view = session();
    view["name"] = name.into();
    for (field, value) in fields.as_object().unwrap() {
        view[field] = value.clone();
    }
    let mut listed = listed();
    listed["name"] = name.into();
    listed["signal"] = state.into();
    listed["problems"] = json!([]);
    listed["view"] = view;
    listed
}

/// Four sessions: without a fault, without a signal, on two legs, and of audio.
fn several() -> Played {
    let legs = json!({
        "first": leg("b", true, 7), "second": leg("c", false, 0), "packets_lost": 0, "packets_recovered": 7,
        "packets_held": 0, "restarts": 0, "skew_ns": -120_000});
    let absent = json!({"signal": {"state": "absent", "since": AT, "reason": "no packet: check the sender"},
        "member_of": "studio1"});
    let sound = json!({"timing": {"packet_time_ns": 1_000_000, "ts_df_limit_ns": 1, "delay_limit_ns": 1,
        "worst_ts_df_ns": 0, "restarts": 0, "last_second": {"packets": 1000, "ts_df_ns": 0,
        "verdict": "compliant", "levels": [{"peak_hundredths": -1840}, {"peak_hundredths": -620}, {}]}}});
    let mut quiet = whole("cam3", "absent", &absent);
    quiet["recent"]["frames_per_1000_s"] = 0.into();
    let sessions = json!({"sessions": [
        whole("cam1", "ok", &json!({})),
        whole("cam2", "impaired", &json!({"legs": legs})),
        quiet,
        whole("sound1", "ok", &sound),
    ]});
    Played::script(&[(SESSIONS, sessions), ("GET /v1/health", health(true))])
}

fn leg(port: &str, link_up: bool, lost: u64) -> Value {
    json!({"port": port, "link_up": link_up, "packets": 9000, "packets_used": 0, "packets_duplicate": 0,
        "packets_late": 0, "packets_other_stream": 0, "packets_malformed": 0, "packets_reordered": 0,
        "packets_lost": lost, "ssrc_changes": 0})
}

/// The names of sessions in the order of their rows.
fn named(out: &str) -> Vec<&str> {
    let firsts = out
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    firsts
        .filter(|it| it.starts_with("cam") || it.starts_with("sound"))
        .collect()
}

#[test]
fn top_then_worst_first_with_what_is_wrong_below() {
    let ran = several().run("top");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(named(&ran.out), ["cam3", "cam2", "cam1", "sound1"]);
    let line = |name: &str| {
        let place = ran.out.lines().position(|line| line.starts_with(name));
        ran.out.lines().nth(place.unwrap()).unwrap()
    };
    all_in(line("SESSION"), &["LEGS", "SKEW", "LEVEL", "GROUP"]);
    all_in(line("cam2"), &["impaired", "7 down", "-120µs", "b+c"]);
    all_in(line("cam3"), &["absent", "0 of 60", "studio1"]);
    all_in(line("sound1"), &["-6.2"]);
    let below = ran.out.split_once("cam3").unwrap().1.lines().nth(1);
    assert_eq!(below, Some("  no packet: check the sender"));
    let header = line("SESSION").split("RATE").next().unwrap();
    assert!(header.chars().count() <= 80, "{header}");
}

#[test]
fn top_of_an_end_that_waits_then_first_with_its_users() {
    let timing = json!({"anc_packets": 9, "wrong_parity": 0, "wrong_checksum": 0, "keep_alives": 0, "kinds": [],
        "other_kinds": 0, "timecode": "10:00:00:07"});
    let mut ending = whole("cam9", "ok", &json!({"state": "draining"}));
    (ending["signal"], ending["state"]) = (Value::Null, "draining".into());
    ending["view"]["attachments"][0]["held"] = 2.into();
    ending["view"]["attachments"][0]["oldest_held_ms"] = 61_000.into();
    let sessions = json!({"sessions": [whole("cam1", "ok", &json!({"timing": timing})), ending]});
    let daemon = Played::script(&[(SESSIONS, sessions), ("GET /v1/health", health(true))]);
    let ran = daemon.run("top");
    assert_eq!(named(&ran.out), ["cam9", "cam1"], "{ran:?}");
    let below = ran
        .out
        .split_once("cam9")
        .unwrap()
        .1
        .lines()
        .nth(1)
        .unwrap();
    all_in(
        below,
        &[
            "it cannot end",
            " 4711 holds 2 frames for 61 s, 3 threads inside",
            "session blockers cam9",
        ],
    );
    all_in(&ran.out, &["TIMECODE", "10:00:00:07"]);
}

#[test]
fn top_with_filters_or_an_order_then_those_sessions_first() {
    for (arguments, names) in [
        ("--filter cam", &["cam3", "cam2", "cam1"][..]),
        ("--filter port=c", &["cam2"]),
        ("--filter group=studio1", &["cam3"]),
        ("--filter state=ok", &["cam1", "sound1"]),
        ("--filter state=running --filter sound", &["sound1"]),
        ("--filter group=none", &[]),
        ("--sort name", &["cam1", "cam2", "cam3", "sound1"]),
    ] {
        let ran = several().run(&format!("top {arguments}"));
        assert_eq!(ran.code, 0, "{arguments}: {ran:?}");
        assert_eq!(named(&ran.out), names, "{arguments}");
        let json = several().run(&format!("top --json {arguments}"));
        let document: Value = serde_json::from_str(&json.out).unwrap();
        let sessions = document["sessions"].as_array().unwrap().iter();
        let found: Vec<_> = sessions.map(|it| it["name"].as_str().unwrap()).collect();
        assert_eq!(found, names, "{arguments}");
    }
    let ran = several().run("top --filter owner=0");
    assert_eq!(ran.code, 2, "{ran:?}");
    all_in(&ran.err, &["owner", "name, port, group or state"]);
}

#[test]
fn show_watched_then_lines_until_the_session_is_gone() {
    let gone = serde_json::to_value(Problem::new(ProblemCode::StaleSession, "gone")).unwrap();
    let daemon = Played::script(&[
        ("GET /v1/sessions/cam1", session()),
        ("GET /v1/sessions/6920a1c300000001", session()),
        ("GET /v1/sessions/6920a1c300000001", gone),
    ]);
    let ran = daemon.run("session show --watch 100ms cam1");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert_eq!(ran.out.matches("1280x720").count(), 2, "{}", ran.out);
    assert!(ran.out.ends_with("cam1 is destroyed.\n"), "{}", ran.out);
}

#[test]
fn json_asked_for_then_the_document_as_it_came() {
    let ran = Played::document(200, &session()).run("session show cam1 --json");
    let document: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(document, session());
    assert!(
        ran.out.find("\"id\"") < ran.out.find("\"name\""),
        "{}",
        ran.out
    );
}

#[test]
fn table_nothing_there_then_said_in_words() {
    for (args, body, words) in [
        ("session list", json!({"sessions": []}), "No sessions."),
        (
            "certificate list",
            json!({"certificates": []}),
            "No certificates",
        ),
        (
            "session blockers cam1",
            json!({"session": "6920a1c300000001", "name": "cam1", "at": AT, "blockers": []}),
            "has no user",
        ),
    ] {
        let ran = Played::document(200, &body).run(args);
        assert_eq!(ran.code, 0, "{ran:?}");
        all_in(&ran.out, &[words]);
    }
}

#[test]
fn table_blockers_then_each_by_name() {
    let body =
        json!({"session": "6920a1c300000001", "name": "cam1", "at": AT, "blockers": [blocker()]});
    let ran = Played::document(200, &body).run("session blockers cam1");
    all_in(
        &ran.out,
        &[
            "4711",
            "4712",
            "player",
            "reader",
            "blocked",
            "buffer_get",
            "1.5s",
            "2 (40ms)",
            "W1 W2",
        ],
    );
    let mut busy = blocker();
    busy["kind"] = json!("inside");
    busy["kernel_state"] = json!("disk sleep");
    busy["wait_channel"] = json!("folio_wait_bit_common");
    let mut frozen = blocker();
    frozen["note"] = json!("its connection is closed");
    frozen["kernel_state"] = json!("stopped");
    let body = json!({"session": "6920a1c300000001", "name": "cam1", "at": AT,
        "blockers": [busy, frozen]});
    let ran = Played::document(200, &body).run("session blockers cam1");
    all_in(
        &ran.out,
        &[
            "kernel: disk sleep, in folio_wait_bit_common",
            "its connection is closed; kernel: stopped",
        ],
    );
}

#[test]
fn table_certificate_then_witnesses_steps_and_reconciled() {
    let ran = Played::document(200, &certificate()).run("session destroy cam1 --wait 5s");
    assert_eq!(ran.code, 0, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "was off air",
            "destroy_wait, at most 5s",
            "required, watching",
            "/usr/bin/player (inode 42)",
            "returned, 1.00 MiB",
            "probe",
            "stop_requested",
            "157µs",
            "held frames",
            "process died",
            "10 = 7 returned + 1 reclaimed + 2 reconciled",
            "boot b007",
        ],
    );
}

#[test]
fn table_certificates_then_a_line_each() {
    let one = json!({"session": "6920a1c300000001", "name": "cam1", "operation": "destroy",
        "requester": who(), "issued_at": AT,
        "memory": {"state": "pending", "bytes": 4096, "held_by": [4711]}, "reconciled": 1, "disagreements": 0});
    let ran = Played::document(200, &json!({"certificates": [one]})).run("certificate list");
    all_in(
        &ran.out,
        &["cam1", "destroy", "pending, 4.00 KiB held by 4711"],
    );
}

#[test]
fn table_health_not_ready_then_the_reasons_and_exit_code_1() {
    let health = json!({"status": "probe_blind", "live": true, "ready": false,
        "problems": ["the probe is blind: no permission"], "version": "0.1.0", "pid": 5,
        "boot_id": "b", "started_at": AT, "uptime_ms": 65000,
        "probe": {"mode": "required", "state": "blind", "reason": "no permission", "canary_at": null, "files": []},
        "dataplane": {"backend": "af_xdp", "dpdk": "22.11", "hugepages": true,
            "ports": [{"name": "a", "device": "net_af_xdp0", "backend": "af_xdp", "address": "10.77.0.1/24",
                "mac": "02:00:00:00:00:01", "link_up": false, "link_mbps": 25000, "numa_node": 1,
                "xdp": {"native": true, "zero_copy": false}, "wake": "socket", "max_queues": 8, "rx_ring": 2048, "rx_ring_ms": 7, "memory_bytes": 17825792, "offloads": ["rx VLAN_STRIP", "tx IPV4_CKSUM"], "poller": "p0", "rx_packets": 1,
                "tx_packets": 2, "rx_missed": 3901, "rx_unclaimed": 4},
                {"name": "b", "device": "net_af_xdp1", "backend": "af_xdp", "address": "10.77.0.2/24",
                "mac": "02:00:00:00:00:02", "link_up": true, "queues": 2, "max_queues": 4, "poller": "p0",
                "pollers": ["p0", "p1", "p2"], "steering": "hand_over", "rx_packets": 1, "tx_packets": 2,
                "rx_missed": 3, "rx_handed_over": 77, "rx_unclaimed": 4}],
            "pollers": [{"name": "p0", "core": 1, "idle": "adaptive", "alive": true, "sessions": 0}]},
        "sessions": {"running": 2}, "clock": clock()});
    let ran = Played::document(503, &health).run("health");
    assert_eq!(ran.code, 1, "{ran:?}");
    all_in(
        &ran.out,
        &[
            "probe_blind, not ready",
            "no permission",
            "2 running",
            "af_xdp, DPDK 22.11, with hugepages",
            "10.77.0.1/24",
            "down",
            "1m 5s",
            "p0, p1, p2",
        ],
    );
    let ports = Played::document(503, &health).run("port list");
    assert_eq!(ports.code, 0, "{ports:?}");
    all_in(
        &ports.out,
        &[
            "net_af_xdp0",
            "25000 Mbit/s",
            "1 of 8",
            "2048 (7 ms)",
            "17.00 MiB",
            "3901",
            "2 of 4",
            "hand-over (77 packets)",
            "rx VLAN_STRIP, tx IPV4_CKSUM",
        ],
    );
}

#[test]
fn problem_busy_then_blockers_witnesses_and_what_to_do() {
    let problem = Problem::new(ProblemCode::Busy, "1 caller is blocked")
        .with_blockers(vec![serde_json::from_value(blocker()).unwrap()])
        .with_verdict(
            serde_json::from_value(json!({"destroyable": false, "disagreement": false,
            "reason": "r", "at": AT, "readings": [reading()]}))
            .unwrap(),
        );
    let ran = Played::problem(&problem).run("session destroy cam1");
    assert_eq!(ran.code, 4, "{ran:?}");
    all_in(
        &ran.err,
        &[
            "1 caller is blocked [busy]",
            "In the way:",
            "4712",
            "Witnesses:",
            "kernel",
            "What to do: End or wait",
        ],
    );
}

#[test]
fn problem_of_several_fields_then_each_on_its_line() {
    let errors = vec![
        SpecError::new("name", "is bad"),
        SpecError::new("video.width", "is odd"),
    ];
    let problem = Problem::new(ProblemCode::InvalidSpec, "two").with_errors(errors);
    let ran = Played::problem(&problem).run("session create --file /dev/null");
    assert_eq!(ran.code, 2, "an empty file is no JSON: {ran:?}");
    let ran = Played::problem(&problem)
        .run("session create a --direction send --port a --size 1281x2 --rate 60 --destination 10.0.0.1:1");
    assert_eq!(ran.code, 1, "{ran:?}");
    all_in(&ran.err, &["\n  name: is bad\n  --size: is odd\n"]);
}
