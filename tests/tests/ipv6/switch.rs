//! Groups behind a switch that snoops MLD: the kernel's bridge, which checks each report.

use anyhow::{Context as _, Result, ensure};
use onair_api::JoinedBy;
use onair_tests::{Backend, Config, SwitchedNetwork, Talker, frame_on, member, wait_for};

use super::{GROUP, kernel_at};

const RIGHT: &str = "fd77::9";
const WRONG: &str = "fd77::8";
const TIMEOUT_S: u64 = 30;

/// The switch of the tests of IGMP, which asks each second in MLDv2, too; and addresses of IPv6 for the host.
fn network(backend: Backend) -> Result<SwitchedNetwork> {
    let mut config = Config::pair(backend);
    config.ports.retain(|port| port.name == "b");
    config.ports[0].keys = "ipv6 = \"fd77::2/64\"\n".to_owned();
    let network = SwitchedNetwork::of(config, 3)?;
    // Before it has an address to ask from: a host that hears one query of version 1 reports in that for minutes.
    let version = "ip link set br0 type bridge mcast_mld_version 2";
    kernel_at(&network.rig, "", version)?;
    let script = "ip link set br0 type bridge mcast_querier 0; \
        ip link set br0 type bridge mcast_querier 1; \
        ip -6 address add fd77::9/64 dev vs nodad; ip -6 address add fd77::8/64 dev vs nodad; \
        ip -6 route del multicast ff00::/8 dev br0 table local";
    // Beside the kernel, the kernel reports; without it the interface stays silent.
    let interfaces = match backend {
        Backend::AfPacket => "br0 vs vb",
        _ => "br0 vs",
    };
    let more = match backend {
        Backend::AfPacket => "; ip -6 route del multicast ff00::/8 dev vb table local",
        _ => "",
    };
    kernel_at(&network.rig, interfaces, &format!("{script}{more}"))?;
    Ok(network)
}

fn talker(network: &SwitchedNetwork, address: &str) -> Result<Talker> {
    let mut talker = Talker::open(network, address)?;
    talker.group = GROUP;
    Ok(talker)
}

/// The port's answer to a query has hop limit 1, and the option Router Alert.
fn answers_a_query(network: &SwitchedNetwork) -> Result<()> {
    let group: std::net::Ipv6Addr = GROUP.parse()?;
    let answer = frame_on(network.rig.stage(), "va", |frame| {
        let is_report = frame.len() > 90 && frame[12..14] == [0x86, 0xdd] && frame[62] == 143;
        is_report && frame.windows(16).any(|it| it == group.octets())
    })?;
    assert_eq!(answer[..6], [0x33, 0x33, 0, 0, 0, 0x16]);
    assert_eq!((answer[20], answer[21]), (0, 1), "options, hop limit");
    ensure!(answer[54..62].windows(4).any(|it| it == [5, 2, 0, 0]));
    ensure!(answer[22..24] == [0xfe, 0x80], "from a link-local address");
    Ok(())
}

/// Two sessions, one with a source and one with another: each gets its own through the switch.
fn joins_answers_and_leaves(backend: Backend, by: JoinedBy) -> Result<()> {
    let network = network(backend)?;
    let mut control = network.rig.control()?;
    let of = |name: &str, udp: u16, source: &str| {
        let mut spec = member(name, udp, &[source]);
        spec.flow.destination = format!("[{GROUP}]:{udp}");
        spec
    };
    control.create(&of("one", 5004, RIGHT))?;
    wait_for("the switch to know the group", TIMEOUT_S, || {
        let known = network.known(GROUP)?;
        Ok(known.contains(RIGHT) && !known.contains(WRONG))
    })?;
    let mut right = talker(&network, RIGHT)?;
    right.until_received(&mut control, "one", 5004)?;
    if by == JoinedBy::Igmp {
        answers_a_query(&network)?;
    }
    control.create(&of("two", 5006, WRONG))?;
    let mut wrong = talker(&network, WRONG)?;
    wrong.until_received(&mut control, "two", 5006)?;
    // It comes through the switch now, and the first session refuses it.
    wait_for("packets of the wrong source", TIMEOUT_S, || {
        wrong.frames(5004, 1)?;
        let counters = control.show("one")?.counters;
        let count = counters.packets_malformed.get("wrong_source");
        Ok(count.is_some_and(|count| *count > 10))
    })?;
    let view = control.show("one")?;
    let group = view.group.context("a group")?;
    assert_eq!((group.joined, group.joined_by), (true, by));
    if by == JoinedBy::Igmp {
        let querier = group.querier.context("it has asked")?;
        assert_eq!((group.igmp_version, querier.version), (Some(2), 2));
        ensure!(querier.address.starts_with("fe80::"), "{querier:?}");
    }
    control.end("two")?;
    wait_for("the switch to forget the other source", TIMEOUT_S, || {
        let known = network.known(GROUP)?;
        Ok(known.contains(RIGHT) && !known.contains(WRONG))
    })?;
    control.end("one")?;
    wait_for("the switch to forget the group", TIMEOUT_S, || {
        Ok(network.known(GROUP)?.is_empty())
    })
}

#[test]
fn port_without_the_kernel_reports_in_mld() -> Result<()> {
    joins_answers_and_leaves(Backend::AfXdp, JoinedBy::Igmp)
}
