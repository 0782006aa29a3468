//! A controller parks a receiver: always, and in one step with what else it changes.

use anyhow::Result;
use onair_api::SessionState;
use onair_stage::Actor;
use onair_tests::Rig;
use onair_tests::plant::Node;
use serde_json::{Value, json};

use super::{flows, group, receiver, sender};

/// Processes that take all cores, also that of the poller.
const BUSY: usize = 16;

/// Activates, with this group.
fn take(node: &Node, enable: bool, number: u8) -> Result<(u16, Value)> {
    let to = json!([{"multicast_ip": format!("239.77.9.{number}")}]);
    let now = json!({"mode": "activate_immediate"});
    let body = json!({"master_enable": enable, "transport_params": to, "activation": now});
    node.patch("receivers", "in", &body)
}

#[test]
fn parked_with_another_group_on_a_busy_machine_then_both() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for number in 1..=2 {
        control.create(&sender(&format!("out{number}"), number))?;
    }
    control.create(&receiver("in", 1))?;
    let node = Node::start(rig.stage())?;
    flows(&mut control, "in")?;
    let busy = || {
        let mut command = rig.stage().command("nice");
        let command = command.args(["-n", "-20", "sh", "-c", "while :; do :; done"]);
        Actor::start("busy", command)
    };
    let busy = (0..BUSY).map(|_| busy()).collect::<Result<Vec<_>>>()?;
    for number in [2, 1, 2, 1] {
        for (enable, state) in [
            (false, SessionState::Stopped),
            (true, SessionState::Running),
        ] {
            let (status, answer) = take(&node, enable, number)?;
            assert_eq!(status, 200, "{answer}");
            let view = control.show("in")?;
            assert_eq!((view.state, view.flow.destination), (state, group(number)));
        }
    }
    drop(busy);

    // What the daemon does not take has no effect, and does not keep it from being parked.
    let wrong = json!({"transport_params": [{"multicast_ip": "224.0.0.1"}], "activation": {"mode": "activate_immediate"}});
    let (status, answer) = node.patch("receivers", "in", &wrong)?;
    assert_eq!(status, 400, "{answer}");
    flows(&mut control, "in")?;
    for (enable, code, state) in [
        (false, 200, SessionState::Stopped),
        (true, 400, SessionState::Stopped),
    ] {
        let body = json!({"master_enable": enable, "activation": {"mode": "activate_immediate"}});
        let (status, answer) = node.patch("receivers", "in", &body)?;
        assert_eq!(status, code, "{answer}");
        let view = control.show("in")?;
        assert_eq!((view.state, view.flow.destination), (state, group(1)));
    }
    assert_eq!(take(&node, true, 2)?.0, 200);
    flows(&mut control, "in")?;
    node.end()
}
