use onair_api::{MAX_CONNECTED, SessionView};
use serde_json::{Value, json};

use super::activation::{ActivationPatch, ActivationShown, Wanted};
use super::leg::{Interface, LegPatch, constraints, interfaces};
use super::patch::Patch;
use super::refusal::Refusal;
use super::side::Side;
use super::staged::{Plan, Staged};
use super::state::{Active, ConnectionState, document};
use crate::tai::Tai;

#[path = "../../tests/nmos/support/schemas.rs"]
#[expect(
    dead_code,
    reason = "the tests of the other specifications use the rest"
)]
mod schemas;

#[path = "../../tests/nmos/support/facts.rs"]
#[expect(dead_code, reason = "the tests of the resources use the rest")]
pub(super) mod facts;

/// A running session of 720p on one leg or two, and the interfaces of its ports.
fn session(direction: &str, legs: usize) -> (SessionView, Vec<Interface>) {
    let video = json!({"width": 1280, "height": 720, "frame_rate": "50/1", "depth": 10});
    let mut view = facts::session("cam1", direction, &json!({ "video": video }));
    if legs == 1 {
        view["flow"]["second_leg"] = Value::Null;
    }
    let view: SessionView = serde_json::from_value(view).unwrap();
    let interfaces = interfaces(&facts::facts(&[]), &view);
    (view, interfaces)
}

fn staged(
    (view, interfaces): &(SessionView, Vec<Interface>),
    body: Value,
) -> Result<Staged, Refusal> {
    let patch = Patch::<LegPatch>::read(Side::of(view.direction), body.to_string())?;
    Staged::of(view, interfaces).patched(&patch, view, interfaces)
}

fn plan(of: &(SessionView, Vec<Interface>), body: Value) -> Plan {
    staged(of, body).unwrap().plan(&of.0, &of.1)
}

/// The flow of a change.
fn flow(plan: &Plan) -> Value {
    json!(plan.change.as_ref().unwrap().flow)
}

#[test]
fn documents_of_each_side_then_valid_by_the_schemas() {
    for (direction, side) in [("send", Side::Sender), ("receive", Side::Receiver)] {
        for legs in [1, 2] {
            let of = session(direction, legs);
            let (view, interfaces) = &of;
            let schema = format!("{side}-response-schema");
            let state = ConnectionState::new(view.id);
            schemas::check_of("is-05", &schema, &state.show_staged(view, interfaces));
            schemas::check_of("is-05", &schema, &state.show_active(view, interfaces));
            let auto = json!({"destination_port": "auto"});
            let staged = staged(&of, json!({"transport_params": vec![auto; legs]})).unwrap();
            let shown = document(side, &staged, &ActivationShown::immediate(Tai::now(None)));
            schemas::check_of("is-05", &schema, &shown);
            let shown = constraints(side, interfaces);
            schemas::check_of("is-05", "constraints-schema", &shown);
            assert_eq!(shown.as_array().unwrap().len(), legs);
        }
    }
}

#[test]
fn activation_then_only_what_it_needs_is_asked_of_the_daemon() {
    let mut of = session("receive", 1);
    let again = Plan {
        runs: true,
        turns: false,
        change: None,
        rejoins: true,
    };
    assert_eq!(plan(&of, json!({})), again);
    let same =
        json!({"transport_params": [{"multicast_ip": "239.1.1.1", "destination_port": "auto"}]});
    assert_eq!(plan(&of, same), again);
    let sent = json!(again.patch().unwrap());
    assert_eq!(sent, json!({"flow": {}, "rejoin": true}));
    let sender = plan(&session("send", 1), json!({}));
    assert_eq!((sender.rejoins, sender.patch()), (false, None));

    let moved =
        json!({"transport_params": [{"multicast_ip": "239.9.9.9", "source_ip": "10.77.0.5"}]});
    let moved = plan(&of, moved);
    assert!(moved.only_changes());
    assert_eq!(
        flow(&moved),
        json!({"destination": "239.9.9.9:5004", "source": "10.77.0.5"})
    );
    let unicast = json!({"transport_params": [{"multicast_ip": null, "destination_port": 6000}]});
    assert_eq!(flow(&plan(&of, unicast))["destination"], "10.77.0.1:6000");

    let off = plan(&of, json!({"master_enable": false}));
    let stop = Plan {
        runs: false,
        turns: true,
        change: None,
        rejoins: false,
    };
    assert_eq!(off, stop);
    let elsewhere =
        json!({"master_enable": false, "transport_params": [{"multicast_ip": "239.9.9.9"}]});
    let elsewhere = plan(&of, elsewhere).patch().unwrap();
    assert_eq!((elsewhere.running, elsewhere.rejoin), (Some(false), false));
    let no_rtp = plan(&of, json!({"transport_params": [{"rtp_enabled": false}]}));
    assert_eq!((no_rtp.runs, no_rtp.turns), (false, true));
    of.0.state = onair_api::SessionState::Stopped;
    let on = plan(&of, json!({"master_enable": true}));
    assert_eq!(
        (on.runs, on.turns, on.patch(), on.rejoins),
        (true, true, None, false)
    );
}

#[test]
fn sender_from_another_port_then_the_own_address_is_said() {
    let of = session("send", 1);
    let body = json!({"transport_params": [{"destination_ip": "239.3.3.3", "source_port": 7000,
        "destination_port": "auto"}]});
    let expected = json!({"destination": "239.3.3.3:5004", "source": "10.77.0.1:7000"});
    assert_eq!(flow(&plan(&of, body)), expected);
    let body = json!({"transport_params": [{"destination_port": 6000, "source_port": "auto"}]});
    let expected = json!({"destination": "239.1.1.1:6000", "source": null});
    assert_eq!(flow(&plan(&of, body)), expected);
}

fn description(more: &str) -> Value {
    let data = format!(
        "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=x\r\nt=0 0\r\nm=video 5006 RTP/AVP 98\r\n\
         c=IN IP4 239.5.5.5/32\r\na=source-filter: incl IN IP4 239.5.5.5 192.0.2.1\r\na=rtpmap:98 raw/90000\r\n\
         a=fmtp:98 sampling=YCbCr-4:2:2; width=1280; height=720; exactframerate=50; depth=10; \
         colorimetry=BT709; PM=2110GPM; SSN=ST2110-20:2017; {more}\r\n"
    );
    json!({"type": "application/sdp", "data": data})
}

#[test]
fn description_of_one_leg_for_two_then_the_second_is_off() {
    let of = session("receive", 2);
    let plan = plan(&of, json!({"transport_file": description("TP=2110TPN;")}));
    let change = json!(plan.change);
    let (flow, second) = (&change["flow"], &change["flow"]["second_leg"]);
    assert_eq!(flow["destination"], "239.5.5.5:5006");
    assert_eq!(
        (&flow["source"], &flow["payload_type"]),
        (&json!("192.0.2.1"), &json!(98))
    );
    assert_eq!(
        (&second["destination"], &second["source"]),
        (&json!("10.78.0.1:5004"), &Value::Null)
    );
    assert_eq!(change["video"]["sender_type"], "narrow");
    // Parameters of the same request are over it.
    let second = json!({"rtp_enabled": true, "multicast_ip": "239.8.8.8"});
    let both = json!({"transport_file": description(""), "transport_params": [{}, second]});
    let both = super::tests::plan(&of, both);
    assert_eq!(
        super::tests::flow(&both)["second_leg"]["destination"],
        "239.8.8.8:5004"
    );
}

#[test]
fn session_changed_by_another_then_active_is_what_it_is() {
    let of = session("receive", 1);
    let peer = "9d4b5d5c-2a4e-4a3f-8f5e-0a1b2c3d4e5f";
    let body = json!({"sender_id": peer, "transport_file": description("")});
    let staged = staged(&of, body).unwrap();
    let (mut view, interfaces) = of;
    view.flow.destination = "239.5.5.5:5006".to_owned();
    let mut state = ConnectionState::new(view.id);
    let shown = ActivationShown::immediate(Tai::now(None));
    state.activate(Active::new(staged, shown, (&view, 7)));
    let active = state.show_active(&view, &interfaces);
    assert_eq!(
        (
            &active["sender_id"],
            &active["transport_params"][0]["multicast_ip"]
        ),
        (&json!(peer), &json!("239.5.5.5"))
    );
    assert_eq!(state.subscription(&view, 8).peer.unwrap().to_string(), peer);

    view.flow.destination = "239.6.6.6:5004".to_owned();
    let active = state.show_active(&view, &interfaces);
    assert_eq!(
        (
            &active["sender_id"],
            &active["transport_params"][0]["multicast_ip"]
        ),
        (&Value::Null, &json!("239.6.6.6"))
    );
    assert_eq!(
        active["transport_file"],
        json!({"data": null, "type": null})
    );
    assert_eq!(
        state.show_staged(&view, &interfaces)["sender_id"],
        Value::Null
    );
    // Facts of before the activation say nothing of it.
    assert!(state.subscription(&view, 7).peer.is_some());
    assert!(state.subscription(&view, 8).peer.is_none());
}

#[test]
fn lot_that_the_daemon_kept_then_the_next_shows_the_same() {
    for (direction, legs) in [("send", 2), ("receive", 1), ("receive", 2)] {
        let (mut view, interfaces) = session(direction, legs);
        let side = Side::of(view.direction);
        let mut body = json!({side.peer(): "9d4b5d5c-2a4e-4a3f-8f5e-0a1b2c3d4e5f"});
        let mut state = ConnectionState::new(view.id);
        assert_eq!(state.kept(), None);
        for long in [0, MAX_CONNECTED] {
            if side == Side::Receiver {
                let mut file = description("");
                let more = "a=x:y\r\n".repeat(long / 7);
                file["data"] = json!(format!("{}{more}", file["data"].as_str().unwrap()));
                body["transport_file"] = file;
            }
            let of = (view.clone(), interfaces.clone());
            let staged = staged(&of, body.clone()).unwrap();
            let shown = ActivationShown::immediate(Tai::now(None));
            state.activate(Active::new(staged.clone(), shown, (&view, 7)));
            state.staged = Some(staged);
            let at = json!({"mode": "activate_scheduled_absolute", "requested_time": "7:1"});
            let patch: ActivationPatch = serde_json::from_value(at).unwrap();
            if let Wanted::At(scheduled) = patch.wanted(Tai::now(None)).unwrap() {
                state.scheduled = Some(scheduled);
            }
            view.connected = state.kept();
            let next = ConnectionState::of(&view, 7);
            let shown = |state: &ConnectionState| {
                let mut all = [
                    state.show_active(&view, &interfaces),
                    state.show_staged(&view, &interfaces),
                ];
                if long > 0 && side == Side::Receiver {
                    all.iter_mut()
                        .for_each(|it| it["transport_file"] = Value::Null);
                }
                all
            };
            assert_eq!(shown(&next), shown(&state));
            let peers = [&next, &state].map(|it| it.subscription(&view, 8).peer);
            assert_eq!(peers[0], peers[1]);
        }
        view.connected = Some("{".repeat(9));
        assert_eq!(ConnectionState::of(&view, 7).kept(), None);
    }
}

#[test]
fn sender_of_two_legs_then_both_or_none() {
    let one = json!({"transport_params": [{}, {"rtp_enabled": false}]});
    let of = session("send", 2);
    let refused = staged(&of, one.clone()).unwrap_err().to_string();
    assert!(refused.contains("has both"), "{refused}");
    let off = plan(&of, json!({"master_enable": false}));
    assert!(off.turns && !off.runs);
    let of = session("receive", 2);
    let plan = plan(&of, one);
    assert!(plan.only_changes());
    assert_eq!(flow(&plan)["destination"], "239.1.1.1:5004");
}

#[test]
fn body_that_no_schema_allows_then_the_field_is_named() {
    let of = session("receive", 1);
    let unicast = |to: &str| {
        let mut file = description("");
        let text = file["data"].as_str().unwrap();
        let text = text
            .replace("239.5.5.5/32", to)
            .lines()
            .filter(|it| !it.contains("filter"))
            .map(|it| format!("{it}\r\n"))
            .collect::<String>();
        file["data"] = json!(text);
        json!({ "transport_file": file })
    };
    for (body, field) in [
        (json!([]), "body"),
        (json!({"activation": ["activate_immediate"]}), "activation"),
        (
            json!({"transport_params": [["10.77.0.1"]]}),
            "transport_params[0]",
        ),
        (
            json!({"transport_params": [{"multicast_ip": "ff3e::1"}]}),
            "multicast_ip",
        ),
        (
            json!({"transport_params": [{"source_ip": "0.0.0.0"}]}),
            "source_ip",
        ),
        (
            json!({"transport_params": [{"fec_enabled": true}]}),
            "transport_params[0].fec_enabled",
        ),
        (
            json!({"transport_params": [{"rtcp_enabled": true}]}),
            "transport_params[0].rtcp_enabled",
        ),
        (unicast("10.9.9.9"), "transport_file"),
        (
            json!({"transport_file": {"type": "application/sdp", "data": null}}),
            "transport_file",
        ),
        (
            json!({"transport_file": {"type": "text/plain", "data": "v=0"}}),
            "transport_file.type",
        ),
        (
            json!({"transport_params": [{"multicast_ip": "10.0.0.1"}]}),
            "transport_params[0].multicast_ip",
        ),
        (
            json!({"transport_params": [{"interface_ip": "10.0.0.1"}]}),
            "transport_params[0].interface_ip",
        ),
        (json!({"transport_params": [{}, {}]}), "transport_params"),
        (
            json!({"transport_params": [{"destination_port": 0}]}),
            "transport_params[0].destination_port",
        ),
        (json!({"receiver_id": null}), "receiver_id"),
        (json!({"sender_id": "x"}), "sender_id"),
        (json!({"activation": {"mode": "now"}}), "activation.mode"),
    ] {
        let refused = staged(&of, body.clone());
        let refused = refused.expect_err(&body.to_string());
        assert_eq!(refused.status().as_u16(), 400);
        assert!(refused.to_string().contains(field), "{body}: {refused}");
    }
    assert!(staged(&of, unicast("10.77.0.1")).is_ok());
    let off = json!({"transport_params": [{"fec_enabled": false, "rtcp_enabled": false}]});
    assert!(staged(&of, off).is_ok());
    let to = json!({"transport_params": [{"destination_ip": "255.255.255.255"}]});
    assert!(staged(&session("send", 1), to).is_err());
}

#[test]
fn leg_that_is_off_then_active_has_its_parameters() {
    let of = session("receive", 2);
    let off =
        json!({"rtp_enabled": false, "multicast_ip": "239.4.4.4", "destination_port": "auto"});
    let staged = staged(&of, json!({"transport_params": [{}, off]})).unwrap();
    let (mut view, interfaces) = of;
    let leg = view.flow.second_leg.as_mut().unwrap();
    leg.destination = "10.78.0.1:5004".to_owned();
    let mut state = ConnectionState::new(view.id);
    let shown = ActivationShown::immediate(Tai::now(None));
    state.activate(Active::new(staged, shown, (&view, 1)));
    let active = state.show_active(&view, &interfaces);
    let expected = json!({"source_ip": null, "multicast_ip": "239.4.4.4", "interface_ip": "10.78.0.1",
        "destination_port": 5004, "rtp_enabled": false});
    assert_eq!(active["transport_params"][1], expected);
}

#[test]
fn activation_times_then_absolute_or_from_now() {
    let now: Tai = "1000:5".parse().unwrap();
    let wanted = |body: Value| {
        let patch: ActivationPatch = serde_json::from_value(body).unwrap();
        patch.wanted(now)
    };
    assert!(matches!(wanted(json!({"mode": null})), Ok(Wanted::Nothing)));
    assert!(matches!(
        wanted(json!({"mode": "activate_immediate", "requested_time": null})),
        Ok(Wanted::Now)
    ));
    for (mode, time, at) in [
        ("activate_scheduled_absolute", "900:0", "900:0"),
        ("activate_scheduled_relative", "2:1", "1002:6"),
    ] {
        let wanted = wanted(json!({"mode": mode, "requested_time": time})).unwrap();
        assert!(
            matches!(wanted, Wanted::At(it) if it.at.to_string() == at),
            "{wanted:?}"
        );
    }
    for bad in [
        json!({"mode": "activate_scheduled_relative"}),
        json!({"mode": "activate_scheduled_absolute"}),
        json!({"mode": "activate_scheduled_relative", "requested_time": "1.5"}),
        json!({"mode": "activate_scheduled_relative", "requested_time": "18446744073709551615:0"}),
        json!({"mode": null, "requested_time": "1:0"}),
    ] {
        assert!(wanted(bad.clone()).is_err(), "{bad}");
    }
}

proptest::proptest! {
    #[test]
    fn any_body_then_taken_or_refused_with_a_field(body in bodies(), sends: bool) {
        let of = session(if sends { "send" } else { "receive" }, 1);
        if let Err(refusal) = staged(&of, body) {
            proptest::prop_assert_eq!(refusal.status(), axum::http::StatusCode::BAD_REQUEST);
        }
    }
}

/// Fields of the specification with values of any kind.
fn bodies() -> impl proptest::strategy::Strategy<Value = Value> {
    use proptest::prelude::*;
    let text = prop_oneof![
        6 => "auto|239.1.2.3|10.77.0.1|ff3e::1|1:0|activate_immediate",
        1 => "[ -~]{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let field = "(sender|receiver)_id|master_enable|activation|transport_(file|params)|mode|data|type|\
        requested_time|(source|multicast|interface|destination)_ip|(source|destination)_port|rtp_enabled|ext_x";
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map(field, inner, 0..5)
                .prop_map(|it| Value::Object(it.into_iter().collect())),
        ]
    })
}
