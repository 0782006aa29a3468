//! Multicast groups of a port with several pollers, and after its device went away.

use anyhow::{Context as _, Result};
use onair_tests::{
    Backend, Config, Deadline, GROUP, Igmp, SwitchedNetwork, Talker, member, output, until,
    wait_for,
};

const SOURCES: [&str; 2] = ["10.77.0.9", "10.77.0.8"];
const TIMEOUT_S: u64 = 30;

/// Sessions of one group, one on each poller, go on receiving after the interface was made again: the
/// switch has forgotten the group with its port, so it was joined anew.
fn joins_again(backend: Backend) -> Result<()> {
    let mut config = Config {
        pollers: 2,
        ..Config::pair(backend)
    };
    config.ports.retain(|port| port.name == "b");
    let mut network = SwitchedNetwork::of(config, 3)?;
    let mut control = network.rig.control()?;
    for (at, udp) in [(0, 5004), (1, 5006)] {
        let name = format!("in{at}");
        control.create(&member(&name, udp, &SOURCES))?;
    }
    let [one, other] = [control.show("in0")?.poller, control.show("in1")?.poller];
    assert_ne!(one, other, "one on each");
    if backend == Backend::AfXdp {
        network.igmp.wait("the join", 1, |it| it.has(Igmp::JOIN))?;
        // The group is joined once, and queries are answered once, whichever poller has them.
        let is_answer = |it: &Igmp| it.has(Igmp::ANSWER);
        network.igmp.wait("answers to queries", 4, is_answer)?;
    }
    let mut talker = Talker::open(&network, SOURCES[0])?;
    for _ in 0..2 {
        wait_for("the switch to know the group", TIMEOUT_S, || {
            let known = network.known(GROUP)?;
            Ok(SOURCES.iter().all(|it| known.contains(it)))
        })?;
        talker.until_received(&mut control, "in0", 5004)?;
        talker.until_received(&mut control, "in1", 5006)?;
        let namespace = network.rig.stage().namespace();
        output("ip", &["-n", namespace, "link", "delete", "va"])?;
        until("health to name it", Deadline::seconds(TIMEOUT_S), || {
            let problems = control.health()?.problems;
            let named = problems
                .iter()
                .any(|it| it.contains("there is no interface vb"));
            Ok(named.then_some(()))
        })?;
        network.plug_in()?;
        let mut problems = Vec::new();
        until("the port to be back", Deadline::seconds(TIMEOUT_S), || {
            problems = control.troubles()?;
            Ok(problems.is_empty().then_some(()))
        })
        .with_context(|| format!("{problems:#?}"))?;
    }
    wait_for("the switch to know the group again", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.contains(SOURCES[1]))
    })?;
    talker.until_received(&mut control, "in0", 5004)?;
    talker.until_received(&mut control, "in1", 5006)?;
    control.end("in0")?;
    talker.until_received(&mut control, "in1", 5006)?;
    control.end("in1")?;
    wait_for("the switch to forget the group", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.is_empty())
    })
}

#[test]
fn interface_without_the_kernel_made_again_then_groups_joined() -> Result<()> {
    joins_again(Backend::AfXdp)
}
