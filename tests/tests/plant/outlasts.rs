//! Identities and answers outlast the daemon that is killed, and the node itself.

use anyhow::Result;
use onair_tests::plant::Node;
use onair_tests::{Rig, wait_for};
use serde_json::{Value, json};

use super::{flows, receiver, sender};

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
