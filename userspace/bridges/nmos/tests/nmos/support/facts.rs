//! Documents as a daemon writes them.

use onair_api::SessionName;
use onair_control::Facts;
use onair_nmos::resources::{Asset, Host, Kind, Resource, resources};
use onair_nmos::{Ids, connection::Subscriptions};
use serde_json::{Value, json};

const AT: &str = "2025-11-20T07:36:00.123456Z";

/// Of a daemon with two ports, whose clock follows a grandmaster.
pub(crate) fn health() -> Value {
    let port = |name: &str, address: &str, mac: &str| {
        json!({"name": name, "device": "net_af_xdp0", "backend": "af_xdp", "address": address,
            "mac": mac, "link_up": true, "poller": "p0", "rx_packets": 0, "tx_packets": 0, "rx_missed": 0,
            "rx_unclaimed": 0})
    };
    json!({"status": "ok", "live": true, "ready": true, "problems": [], "version": "0.1.0", "pid": 5,
        "boot_id": "b", "started_at": AT, "uptime_ms": 1,
        "probe": {"mode": "off", "state": "off", "reason": null, "canary_at": null, "files": []},
        "dataplane": {"backend": "af_xdp", "dpdk": "22.11", "hugepages": false, "pollers": [],
            "ports": [port("a", "10.77.0.1/24", "02:00:00:00:00:0A"), port("b", "10.78.0.1/24", "02:00:00:00:00:0b")]},
        "sessions": {},
        "clock": {"tai_minus_utc_s": 37, "times_set": 0, "ptp": {"state": "locked", "reason": null,
            "socket": "/run/ptp4l", "port": null, "offset_ns": 3, "path_delay_ns": 500, "hardware_clock": null,
            "grandmaster": {"identity": "52-11-D0-FF-FE-37-BA-64", "domain": 127, "clock_class": 6,
                "steps_removed": 1, "is_this_machine": false, "tai_minus_utc_s": 37,
                "is_utc_offset_valid": true, "is_ptp_timescale": true}}}})
}

/// A session of this format, such as `{"video": {…}}`, on two legs.
pub(crate) fn session(name: &str, direction: &str, format: &Value) -> Value {
    let mut session = json!({"id": "6920a1c300000001", "name": name, "direction": direction, "port": "a",
        "flow": {"destination": "239.1.1.1:5004", "payload_type": 96, "second_leg": {"port": "b",
            "destination": "239.2.1.1:5004"}},
        "source": (direction == "send").then_some("client"), "quota": 4, "max_attachments": 4, "state": "running",
        "owner": null, "created_at": AT, "stopped_at": null, "attachments": [], "counters": {}});
    let format = format.as_object().unwrap().clone();
    session.as_object_mut().unwrap().extend(format);
    session
}

/// `json` with these fields, too.
fn with(mut json: Value, more: Value) -> Value {
    let more = more.as_object().unwrap().clone();
    json.as_object_mut().unwrap().extend(more);
    json
}

/// The formats that sessions can have: of each essence, and of each sampling.
pub(crate) fn formats() -> Vec<Value> {
    let video = |more: Value| {
        let video = json!({"width": 1920, "height": 1080, "frame_rate": "60000/1001", "depth": 10});
        json!({"video": with(video, more)})
    };
    let audio = |coding: &str, channels: u32, order: Option<&str>| {
        json!({"audio": {"coding": coding, "sample_rate": 48_000, "channels": channels,
            "packet_time_us": 125, "channel_order": order}})
    };
    let jpeg_xs = json!({"width": 3840, "height": 2160, "frame_rate": "50/1", "depth": 10, "bytes": 1_250_000});
    let more = json!({"packet_mode": "slice", "out_of_order": true, "profile": "High444.12", "level": "4k-2",
        "sublevel": "Sublev3bpp", "sender_type": "narrow_linear", "colorimetry": "BT2020", "transfer": "HLG"});
    let of_slices = with(jpeg_xs.clone(), more);
    let samplings = "YCbCr-4:4:4 YCbCr-4:2:0 CLYCbCr-4:2:2 ICtCp-4:2:2 RGB XYZ KEY".split(' ');
    let samplings = samplings.map(|it| video(json!({"sampling": it})));
    let mut all = vec![
        video(json!({})),
        video(
            json!({"scan": "interlaced", "frame_rate": "25/1", "colorimetry": "BT709", "sender_type": "narrow"}),
        ),
        video(json!({"scan": "psf", "colorimetry": "BT2100", "transfer": "PQ"})),
        audio("L16", 2, None),
        audio("L24", 8, Some("SMPTE2110.(51,ST)")),
        audio(
            "L24",
            47,
            Some("SMPTE2110.(222,SGRP,AES3,71,M,DM,LtRt,U04)"),
        ),
        audio("AM824", 2, None),
        json!({"ancillary": {"frame_rate": "30000/1001", "did_sdid": ["61/02", "60/60"]}}),
        json!({"ancillary": {"frame_rate": "25/1", "fields": true}}),
        json!({"jpeg_xs": jpeg_xs}),
        json!({"jpeg_xs": of_slices}),
    ];
    all.extend(samplings);
    all
}

/// What a daemon says that has these sessions.
pub(crate) fn facts(sessions: &[Value]) -> Facts {
    let read = |it: &Value| serde_json::from_value(it.clone()).unwrap();
    Facts {
        number: 1,
        health: serde_json::from_value(health()).unwrap(),
        sessions: sessions.iter().map(read).collect(),
        away: false,
    }
}

/// A sender and a receiver of each format.
pub(crate) fn every_session() -> Vec<Value> {
    let formats = formats();
    let formats = formats.iter().enumerate();
    formats.flat_map(|(at, it)| both(at, it)).collect()
}

/// `count` senders and as many receivers.
pub(crate) fn many(count: usize) -> Vec<Value> {
    let format = &formats()[0];
    (0..count).flat_map(|at| both(at, format)).collect()
}

fn both(at: usize, format: &Value) -> [Value; 2] {
    ["send", "receive"].map(|it| session(&format!("{it}-{at}"), it, format))
}

pub(crate) fn host() -> Host {
    Host {
        hostname: Some("studio".to_owned()),
        address: "127.0.0.1".to_owned(),
        port: 3212,
        tls: false,
        label: "studio".to_owned(),
        description: "OnAir on studio".to_owned(),
        asset: Asset::default(),
    }
}

pub(crate) fn ids() -> Ids {
    Ids::of("a test")
}

pub(crate) fn name(text: &str) -> SessionName {
    text.parse().unwrap()
}

/// The resources of these sessions, connected to nothing.
pub(crate) fn made(sessions: &[Value]) -> Vec<Resource> {
    resources(
        Some(&facts(sessions)),
        (&Subscriptions::new(), None),
        &ids(),
        &host(),
    )
}

/// The fields of the only one of a kind.
pub(crate) fn only(made: &[Resource], kind: Kind) -> Value {
    let of_kind: Vec<_> = made.iter().filter(|it| it.kind == kind).collect();
    let [one] = of_kind[..] else {
        panic!("{} of {kind:?}", of_kind.len());
    };
    Value::Object(one.fields.clone())
}
