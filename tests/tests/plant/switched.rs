//! A controller switches receivers: real packets show what they have then.

use anyhow::{Context as _, Result};
use onair_api::SessionState;
use onair_tests::plant::{Node, tai_in};
use onair_tests::{Rig, wait_for};
use serde_json::{Value, json};

use super::{flows, group, receiver, sender};

#[test]
fn receiver_connected_to_another_sender_then_has_its_picture() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    control.create(&sender("out1", 1))?;
    control.create(&sender("out2", 2))?;
    control.create(&receiver("in", 1))?;
    let node = Node::start(rig.stage())?;
    flows(&mut control, "in")?;
    let first = control.show("in")?.ssrc;

    let (status, staged) = node.connect("in", "out2")?;
    assert_eq!(
        (status, &staged["activation"]["mode"]),
        (200, &json!("activate_immediate"))
    );
    assert_eq!(control.show("in")?.flow.destination, group(2));
    flows(&mut control, "in")?;
    assert_ne!(control.show("in")?.ssrc, first);
    let active = node
        .get(&format!("{}/active", node.path("receivers", "in")?))?
        .1;
    assert_eq!(active["transport_params"][0]["multicast_ip"], "239.77.9.2");
    assert_eq!(active["sender_id"], json!(node.id("senders", "out2")?));
    let subscription = || -> Result<Value> {
        let all = node.resources("receivers")?;
        Ok(all.first().context("a receiver")?["subscription"].clone())
    };
    wait_for("the subscription", 20, || {
        Ok(subscription()? == json!({"sender_id": active["sender_id"], "active": true}))
    })?;

    let parked = json!({"master_enable": false, "activation": {"mode": "activate_immediate"}});
    assert_eq!(node.patch("receivers", "in", &parked)?.0, 200);
    assert_eq!(control.show("in")?.state, SessionState::Stopped);
    wait_for("no subscription", 20, || {
        Ok(subscription()? == json!({"sender_id": null, "active": false}))
    })?;

    // What an operator changes is what is active.
    let back = json!({"master_enable": true, "activation": {"mode": "activate_immediate"}});
    assert_eq!(node.patch("receivers", "in", &back)?.0, 200);
    flows(&mut control, "in")?;
    let flow = json!({"flow": {"destination": group(1)}});
    control.on::<onair_api::operations::RetargetSession>("in", flow)?;
    let active = node
        .get(&format!("{}/active", node.path("receivers", "in")?))?
        .1;
    assert_eq!(active["transport_params"][0]["multicast_ip"], "239.77.9.1");
    assert_eq!(
        (&active["sender_id"], &active["master_enable"]),
        (&Value::Null, &json!(true))
    );
    node.end()
}

#[test]
fn receivers_scheduled_for_one_second_then_locked_and_switched() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for number in 1..=4 {
        control.create(&sender(&format!("out{number}"), number))?;
    }
    for number in 1..=2 {
        control.create(&receiver(&format!("in{number}"), number))?;
    }
    let node = Node::start(rig.stage())?;
    let entry = |name: &str, group: &str, at: &str| -> Result<Value> {
        let params = json!({"multicast_ip": group});
        let activation = json!({"mode": "activate_scheduled_absolute", "requested_time": at});
        Ok(json!({"id": node.id("receivers", name)?,
            "params": {"activation": activation, "transport_params": [params]}}))
    };
    let at = tai_in(2)?;
    let bulk = json!([entry("in1", "239.77.9.3", &at)?, entry("in2", "239.77.9.4", &at)?, {"id": "none", "params": {}}]);
    let (status, answers) =
        node.request("POST", "/x-nmos/connection/v1.1/bulk/receivers", &bulk)?;
    let codes: Vec<_> = answers
        .as_array()
        .context("answers")?
        .iter()
        .map(|it| it["code"].clone())
        .collect();
    assert_eq!(
        (status, codes),
        (200, vec![json!(202), json!(202), json!(404)])
    );

    assert_eq!(
        node.patch("receivers", "in1", &json!({"master_enable": false}))?
            .0,
        423
    );
    let (_, staged) = node.get(&format!("{}/staged", node.path("receivers", "in2")?))?;
    assert_eq!(staged["activation"]["activation_time"], json!(at));
    for (name, to) in [("in1", 3), ("in2", 4)] {
        wait_for("the switch", 30, || {
            Ok(control.show(name)?.flow.destination == group(to))
        })?;
        flows(&mut control, name)?;
        let counters = control.show(name)?.counters;
        assert!(counters.frames_incomplete <= 1, "{name}: {counters:?}");
        let (_, staged) = node.get(&format!("{}/staged", node.path("receivers", name)?))?;
        assert_eq!(staged["activation"]["mode"], Value::Null);
    }

    // A cancelled one does not happen.
    let at = json!({"mode": "activate_scheduled_relative", "requested_time": "1:900000000"});
    let later = json!({"activation": at, "transport_params": [{"multicast_ip": "239.77.9.2"}]});
    assert_eq!(node.patch("receivers", "in1", &later)?.0, 202);
    let never = json!({"activation": {"mode": null}});
    assert_eq!(node.patch("receivers", "in1", &never)?.0, 200);
    let other = json!({"activation": {"mode": "activate_scheduled_relative", "requested_time": "2:500000000"}});
    assert_eq!(node.patch("receivers", "in2", &other)?.0, 202);
    let done = format!("{}/active", node.path("receivers", "in2")?);
    wait_for("the later one", 30, || {
        Ok(node.get(&done)?.1["activation"]["requested_time"] == "2:500000000")
    })?;
    assert_eq!(control.show("in1")?.flow.destination, group(3));
    node.end()
}

#[test]
fn receivers_exchanged_at_once_then_each_has_the_other_picture() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for number in 1..=2 {
        control.create(&sender(&format!("out{number}"), number))?;
        control.create(&receiver(&format!("in{number}"), number))?;
    }
    let node = Node::start(rig.stage())?;
    let now = json!({"mode": "activate_immediate"});
    let at = json!({"mode": "activate_scheduled_relative", "requested_time": "1:0"});
    for (activation, code, [one, two]) in [(now, 200, [2, 1]), (at, 202, [1, 2])] {
        flows(&mut control, "in1")?;
        flows(&mut control, "in2")?;
        let others = [control.show("in2")?.ssrc, control.show("in1")?.ssrc];
        let entry = |name: &str, to: u8| -> Result<Value> {
            let params = json!({"multicast_ip": format!("239.77.9.{to}")});
            let params = json!({"activation": activation, "transport_params": [params]});
            Ok(json!({"id": node.id("receivers", name)?, "params": params}))
        };
        let bulk = json!([entry("in1", one)?, entry("in2", two)?]);
        let path = "/x-nmos/connection/v1.1/bulk/receivers";
        let (_, answers) = node.request("POST", path, &bulk)?;
        for place in 0..2 {
            assert_eq!(answers[place]["code"], code, "{answers}");
        }
        for ((name, to), other) in [("in1", one), ("in2", two)].into_iter().zip(others) {
            wait_for("the other picture", 30, || {
                let view = control.show(name)?;
                Ok(view.flow.destination == group(to) && view.ssrc == other)
            })?;
            flows(&mut control, name)?;
            let counters = control.show(name)?.counters;
            assert!(counters.frames_incomplete <= 2, "{name}: {counters:?}");
        }
    }
    node.end()
}
