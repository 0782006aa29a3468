//! Identities and answers outlast the daemon that is killed, and the node itself.

use anyhow::Result;
use onair_api::operations::RetargetSession;
use onair_tests::plant::{Node, tai_in};
use onair_tests::{Rig, wait_for};
use serde_json::{Value, json};

use super::{flows, group, receiver, sender};

#[test]
fn daemon_killed_and_node_restarted_then_the_same_resources() -> Result<()> {
    let mut rig = Rig::pair()?;
    let mut control = rig.control()?;
    for mut spec in [sender("out", 1), receiver("in", 1)] {
        spec.persistent = Some(true);
        control.create(&spec)?;
    }
    let node = Node::start(rig.stage())?;
    let ids = |node: &Node| -> Result<[String; 2]> {
        Ok([node.id("senders", "out")?, node.id("receivers", "in")?])
    };
    let version = |node: &Node| -> Result<Value> {
        Ok(node.resources("receivers")?.remove(0)["version"].clone())
    };
    let before = ids(&node)?;

    rig.kill_daemon()?;
    let enable = json!({"master_enable": true, "activation": {"mode": "activate_immediate"}});
    let refused = node.patch("receivers", "in", &enable)?;
    assert_eq!(refused.0, 503, "{}", refused.1);
    assert_eq!(ids(&node)?, before);
    let staged = node.get(&format!("{}/staged", node.path("receivers", "in")?))?;
    assert_eq!(staged.0, 200, "{}", staged.1);

    rig.start_daemon()?;
    let mut control = rig.control()?;
    flows(&mut control, "in")?;
    wait_for("the node to reach the daemon again", 30, || {
        Ok(node.patch("receivers", "in", &enable)?.0 == 200)
    })?;
    assert_eq!(ids(&node)?, before);
    let last = version(&node)?;
    node.end()?;

    let node = Node::start(rig.stage())?;
    assert_eq!(ids(&node)?, before);
    let seconds = |it: &Value| it.as_str()?.split_once(':')?.0.parse::<u64>().ok();
    assert!(seconds(&version(&node)?) >= seconds(&last), "versions rise");
    node.end()
}

/// Schedules another group for the receiver `in`, so many seconds from now.
fn schedule(node: &Node, seconds: u64, number: u8) -> Result<()> {
    let to = format!("239.77.9.{number}");
    let length = format!("{seconds}:0");
    let at = json!({"mode": "activate_scheduled_relative", "requested_time": length});
    let body = json!({"activation": at, "transport_params": [{"multicast_ip": to}]});
    let (status, answer) = node.patch("receivers", "in", &body)?;
    assert_eq!(status, 202, "{answer}");
    Ok(())
}

#[test]
fn daemon_killed_before_or_at_a_scheduled_time_then_switched() -> Result<()> {
    let mut rig = Rig::pair()?;
    let mut control = rig.control()?;
    for mut spec in [sender("out1", 1), sender("out2", 2), receiver("in", 1)] {
        spec.persistent = Some(true);
        control.create(&spec)?;
    }
    let node = Node::start(rig.stage())?;
    let document = |what: &str| -> Result<Value> {
        Ok(node
            .get(&format!("{}/{what}", node.path("receivers", "in")?))?
            .1)
    };
    for (to, waits) in [(2, false), (1, true)] {
        schedule(&node, 2, to)?;
        if waits {
            wait_for("the activation to begin", 30, || {
                let (_, refused) =
                    node.patch("receivers", "in", &json!({"master_enable": true}))?;
                Ok(refused["error"]
                    .as_str()
                    .is_some_and(|it| it.contains("about to happen")))
            })?;
        }
        rig.kill_daemon()?;
        assert_eq!(document("staged")?["activation"]["requested_time"], "2:0");
        rig.start_daemon()?;
        let mut control = rig.control()?;
        wait_for("the switch", 30, || {
            Ok(document("active")?["activation"]["requested_time"] == "2:0"
                && control.show("in")?.flow.destination == group(to))
        })?;
        flows(&mut control, "in")?;
        assert_eq!(document("staged")?["activation"]["mode"], Value::Null);
    }

    // What the daemon refuses at the time has failed, and is still staged.
    let mut control = rig.control()?;
    let wrong = json!([{"multicast_ip": "224.0.0.1"}]);
    let at = json!({"mode": "activate_scheduled_relative", "requested_time": "1:0"});
    let body = json!({"activation": at, "transport_params": wrong});
    assert_eq!(node.patch("receivers", "in", &body)?.0, 202);
    wait_for("the end of the activation", 30, || {
        Ok(document("staged")?["activation"]["mode"].is_null())
    })?;
    for (what, to) in [("staged", "224.0.0.1"), ("active", "239.77.9.1")] {
        let shown = document(what)?;
        assert_eq!(shown["transport_params"][0]["multicast_ip"], to, "{what}");
    }
    assert_eq!(control.show("in")?.flow.destination, group(1));
    node.end()
}

#[test]
fn connected_and_scheduled_then_known_after_restarts() -> Result<()> {
    let mut rig = Rig::pair()?;
    let mut control = rig.control()?;
    for mut spec in [sender("out", 2), receiver("in", 1), receiver("later", 3)] {
        spec.persistent = Some(true);
        control.create(&spec)?;
    }
    let mut node = Node::start(rig.stage())?;
    let document = |node: &Node, of: &str, what: &str| -> Result<Value> {
        Ok(node
            .get(&format!("{}/{what}", node.path("receivers", of)?))?
            .1)
    };
    let sdp = node
        .get(&format!("{}/transportfile", node.path("senders", "out")?))?
        .1;
    let peer = node.id("senders", "out")?;
    let file = json!({"data": sdp, "type": "application/sdp"});
    let now = json!({"mode": "activate_immediate"});
    let body = json!({"sender_id": peer, "transport_file": file, "activation": now, "master_enable": true});
    let (status, answer) = node.patch("receivers", "in", &body)?;
    assert_eq!(status, 200, "{answer}");
    let at = json!({"mode": "activate_scheduled_absolute", "requested_time": tai_in(12)?});
    let to = json!({"activation": at, "sender_id": peer, "transport_params": [{"multicast_ip": "239.77.9.4"}]});
    let (status, answer) = node.patch("receivers", "later", &to)?;
    assert_eq!(status, 202, "{answer}");
    let before = [
        document(&node, "in", "active")?,
        document(&node, "later", "staged")?,
    ];
    assert_eq!(before[0]["sender_id"], json!(peer));
    for kills_the_daemon in [false, true] {
        node.end()?;
        if kills_the_daemon {
            rig.kill_daemon()?;
            rig.start_daemon()?;
            control = rig.control()?;
        }
        node = Node::start(rig.stage())?;
        let after = [
            document(&node, "in", "active")?,
            document(&node, "later", "staged")?,
        ];
        assert_eq!(after, before);
        let shown = node.resources("receivers")?;
        let shown = shown.iter().find(|it| it["label"] == "in");
        let shown = shown.map(|it| &it["subscription"]["sender_id"]);
        assert_eq!(shown, Some(&json!(peer)));
    }
    wait_for("the switch at its time", 30, || {
        Ok(control.show("later")?.flow.destination == group(4))
    })?;
    wait_for("the end of the activation", 30, || {
        Ok(document(&node, "later", "active")?["sender_id"] == json!(peer))
    })?;
    // An operator's address is connected to nothing that is known.
    control.on::<RetargetSession>("in", json!({"flow": {"destination": group(5)}}))?;
    node.end()?;
    let node = Node::start(rig.stage())?;
    assert_eq!(document(&node, "in", "active")?["sender_id"], Value::Null);
    node.end()
}
