//! What the daemon's sessions are in IS-04.

use onair_nmos::Tai;
use onair_nmos::connection::{Subscription, Subscriptions};
use onair_nmos::model::Ledger;
use onair_nmos::resources::{Kind, Resource, resources};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::facts::{every_session, facts, formats, host, ids, made, name, only, session};
use crate::support::schemas::{check, check_of};

/// The resources of a sender and a receiver.
fn both(format: &Value) -> Vec<Resource> {
    made(&["send", "receive"].map(|it| session(it, it, format)))
}

#[test]
fn each_format_in_both_directions_then_valid_by_the_schemas() {
    let mut ledger = Ledger::default();
    assert!(ledger.update(made(&every_session()), Tai::now(None)));
    let model = ledger.model(true);
    for ((kind, id), document) in &model.documents {
        check(kind.name(), &document.body);
        assert_eq!(document.body["id"], id.to_string());
        if *kind == Kind::Receiver {
            check_of("bcp-004-01", "receiver_constraint_sets", &document.body);
        }
    }
    let count = |kind| model.of_kind(kind).count();
    let all = formats().len();
    assert_eq!((count(Kind::Sender), count(Kind::Receiver)), (all, all));
    // IS-04 has no components for XYZ: its sender has no flow.
    assert_eq!((count(Kind::Source), count(Kind::Flow)), (all - 1, all - 1));
}

#[test]
fn daemon_that_has_not_answered_then_a_node_and_an_empty_device() {
    let made = resources(None, (&Subscriptions::new(), None), &ids(), &host());
    let kinds: Vec<_> = made.iter().map(|it| it.kind).collect();
    assert_eq!(kinds, [Kind::Node, Kind::Device]);
    let mut ledger = Ledger::default();
    ledger.update(made, Tai::now(None));
    for ((kind, _), document) in &ledger.model(false).documents {
        check(kind.name(), &document.body);
    }
}

#[test]
fn session_on_two_legs_then_both_ports_are_bound() {
    let format = &formats()[0];
    let made = made(&[session("cam1", "send", format)]);
    let (node, sender) = (only(&made, Kind::Node), only(&made, Kind::Sender));
    assert_eq!(sender["interface_bindings"], json!(["a", "b"]));
    assert_eq!(sender["transport"], "urn:x-nmos:transport:rtp.mcast");
    let manifest = format!(
        "http://127.0.0.1:3212/x-nmos/connection/v1.1/single/senders/{}/transportfile",
        ids().sender(&name("cam1"))
    );
    assert_eq!(sender["manifest_href"], manifest);
    let interface = json!({"name": "a", "chassis_id": null, "port_id": "02-00-00-00-00-0a"});
    assert_eq!(node["interfaces"][0], interface);
    let device = only(&made, Kind::Device);
    assert_eq!(device["senders"], json!([ids().sender(&name("cam1"))]));
}

#[test]
fn clock_locked_or_not_then_ptp_or_internal() {
    let clock = |change: &dyn Fn(&mut Value)| {
        let mut facts = facts(&[]);
        let mut health = serde_json::to_value(&facts.health).unwrap();
        change(&mut health["clock"]["ptp"]);
        facts.health = serde_json::from_value(health).unwrap();
        let made = resources(Some(&facts), (&Subscriptions::new(), None), &ids(), &host());
        only(&made, Kind::Node)["clocks"].clone()
    };
    let gmid = "52-11-d0-ff-fe-37-ba-64";
    let ptp = json!([{"name": "clk0", "ref_type": "ptp", "traceable": true, "version": "IEEE1588-2008",
        "gmid": gmid, "locked": true}]);
    assert_eq!(clock(&|_| {}), ptp);
    let free = clock(&|ptp| ptp["grandmaster"]["clock_class"] = json!(248));
    assert_eq!(
        (&free[0]["traceable"], &free[0]["gmid"]),
        (&json!(false), &json!(gmid))
    );
    let internal = json!([{"name": "clk0", "ref_type": "internal"}]);
    for state in ["off", "absent", "unlocked", "lost"] {
        assert_eq!(
            clock(&|ptp| ptp["state"] = json!(state)),
            internal,
            "{state}"
        );
    }
}

#[test]
fn members_of_a_group_then_roles_by_essence_and_name() {
    let member = |name: &str, format: usize| {
        let mut session = session(name, "send", &formats()[format]);
        session["member_of"] = json!("studio");
        session
    };
    let members = [("z", 0), ("b", 4), ("a", 3), ("d", 7), ("x", 9)];
    let mut sessions = members.map(|(name, format)| member(name, format)).to_vec();
    sessions.push(session("alone", "send", &formats()[0]));
    let made = made(&sessions);
    let tag = |session: &str| {
        let id = ids().sender(&name(session));
        let sender = made.iter().find(|it| it.id == id).unwrap();
        sender.fields["tags"]["urn:x-nmos:tag:grouphint/v1.0"].clone()
    };
    for (name, role) in [
        ("x", "Video 1"),
        ("z", "Video 2"),
        ("a", "Audio 1"),
        ("b", "Audio 2"),
        ("d", "Data 1"),
    ] {
        assert_eq!(tag(name), json!([format!("studio:{role}")]));
    }
    assert_eq!(tag("alone"), Value::Null);
}

#[test]
fn jpeg_xs_then_its_attributes_are_those_of_the_session() {
    let made = both(&formats()[10]);
    let (flow, sender) = (only(&made, Kind::Flow), only(&made, Kind::Sender));
    let found = json!({"media_type": flow["media_type"], "profile": flow["profile"], "level": flow["level"],
        "sublevel": flow["sublevel"], "bit_rate": flow["bit_rate"], "colorspace": flow["colorspace"],
        "transfer_characteristic": flow["transfer_characteristic"], "first": flow["components"][0]});
    let expected = json!({"media_type": "video/jxsv", "profile": "High444.12", "level": "4k-2",
        "sublevel": "Sublev3bpp", "bit_rate": 500_000, "colorspace": "BT2020", "transfer_characteristic": "HLG",
        "first": {"name": "Y", "width": 3840, "height": 2160, "bit_depth": 10}});
    assert_eq!(found, expected);
    assert_eq!(sender["packet_transmission_mode"], "slice_out_of_order");
    assert_eq!(sender["st2110_21_sender_type"], "2110TPNL");
    assert!(sender["bit_rate"].as_u64() > flow["bit_rate"].as_u64());
    let caps = only(&made, Kind::Receiver)["caps"].clone();
    let set = &caps["constraint_sets"][0];
    assert_eq!(caps["media_types"], json!(["video/jxsv"]));
    let of = |name: &str| &set[format!("urn:x-nmos:cap:format:{name}")];
    assert_eq!(of("profile"), &json!({"enum": ["High444.12"]}));
    assert_eq!(of("bit_rate"), &json!({"maximum": 500_000}));
}

#[test]
fn audio_then_channels_are_named_and_packet_times_fit() {
    let made = both(&formats()[4]);
    let source = only(&made, Kind::Source);
    let symbols = source["channels"].as_array().unwrap().iter();
    let symbols: Vec<_> = symbols.map(|it| it["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["L", "R", "C", "LFE", "Ls", "Rs", "L", "R"]);
    let caps = only(&made, Kind::Receiver)["caps"].clone();
    // 4 ms of 8 channels are too long for a packet.
    assert_eq!(
        caps["constraint_sets"][0]["urn:x-nmos:cap:transport:packet_time"],
        json!({"enum": [0.125, 0.25, 0.333, 0.5, 1.0]})
    );
}

#[test]
fn quarantined_session_then_it_is_no_resource() {
    let mut gone = session("cam1", "receive", &formats()[0]);
    gone["state"] = json!("quarantined");
    let heir = session("cam1", "receive", &formats()[0]);
    let made = made(&[gone, heir]);
    assert_eq!(only(&made, Kind::Receiver)["label"], "cam1");
}

#[test]
fn connection_then_the_subscription_shows_it() {
    let peer = Uuid::new_v5(&Uuid::NAMESPACE_DNS, b"a sender");
    let subscription = Subscription {
        activations: 0,
        active: true,
        peer: Some(peer),
    };
    let subscriptions = Subscriptions::from([(name("mon1"), subscription)]);
    let sessions = [session("mon1", "receive", &formats()[0])];
    let made = resources(
        Some(&facts(&sessions)),
        (&subscriptions, None),
        &ids(),
        &host(),
    );
    let shown = &only(&made, Kind::Receiver)["subscription"];
    assert_eq!(shown, &json!({"sender_id": peer, "active": true}));
}
