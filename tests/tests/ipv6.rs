//! IPv6: packets of each essence, groups, neighbours, descriptions, captures.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{JoinedBy, PeerState, Source, SpecDocument};
use onair_tests::{
    Backend, Config, Deadline, GStreamer, Raster, Rig, SwitchedNetwork, Talker, Viewer, frame_on,
    member, output, receive, send, until, wait_for,
};

/// A multicast group outside the source-specific range.
const GROUP: &str = "ff15::8077:1";
const UDP: u16 = 5004;
const KERNEL: &str = "fd77::9";
const RIGHT: &str = "fd77::9";
const WRONG: &str = "fd77::8";
const TIMEOUT_S: u64 = 30;

/// Ports `a` (fd77::1) and `b` (fd77::2), which have no address of IPv4.
fn config(backend: Backend) -> Config {
    let mut config = Config::pair(backend);
    for (port, number) in config.ports.iter_mut().zip(1..) {
        port.address.clear();
        port.keys = format!("ipv6 = \"fd77::{number}/64\"\n");
    }
    config
}

fn pair(backend: Backend) -> Result<Rig> {
    Rig::with(config(backend), |_| {})
}

/// The same session, of the group.
fn of_group(mut spec: SpecDocument, udp: u16) -> SpecDocument {
    spec.flow.destination = format!("[{GROUP}]:{udp}");
    spec
}

/// Lets the kernel speak IPv6 at these interfaces of the stage, at once, and runs the rest of a script.
fn kernel_at(rig: &Rig, interfaces: &str, script: &str) -> Result<()> {
    let net = format!("--net=/run/netns/{}", rig.stage().namespace());
    let all = format!(
        "set -e; for it in {interfaces}; do cd /proc/sys/net/ipv6/conf/$it; \
         echo 0 > accept_dad; echo 0 > disable_ipv6; done; {script}"
    );
    output("nsenter", &[&net, "sh", "-c", &all]).map(drop)
}

/// Frames of a pattern to the group, each with its number.
fn video(backend: Backend) -> Result<()> {
    let rig = pair(backend)?;
    let mut control = rig.control()?;
    let view = control.create(&of_group(receive("in", Raster::SMALL, UDP), UDP))?;
    assert_eq!(view.group.context("a group")?.group, GROUP);
    let mut viewer = Viewer::start(&rig, "in")?;
    let out = send("out", Raster::SMALL, UDP, Source::Pattern);
    control.create(&of_group(out, UDP))?;
    viewer.wait(20, Deadline::seconds(40))?;
    control.await_view("in", "the group", |it| {
        it.group.as_ref().is_some_and(|it| it.joined)
    })?;
    control.end("out")?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let mut whole = seen.iter().filter(|frame| frame.complete);
    assert!(whole.all(|it| it.pattern_number() == Some(it.number)));
    control.destroy_wait("in").map(drop)
}

#[test]
fn video_to_a_group_over_af_xdp_arrives() -> Result<()> {
    video(Backend::AfXdp)
}

/// Port `b` (fd77::2), whose cable ends at the kernel's stack.
fn beside_the_kernel() -> Result<Rig> {
    let mut config = config(Backend::AfXdp);
    config.ports.retain(|port| port.name == "b");
    let rig = Rig::with(config, |_| {})?;
    let address = format!("ip -6 address add {KERNEL}/64 dev va nodad");
    kernel_at(&rig, "va", &address)?;
    Ok(rig)
}

/// What another program sends is received: the port answers the kernel's solicitations.
fn kernel_finds_the_port(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let mut spec = receive("in", Raster::SMALL, UDP);
    spec.flow.destination = format!("[fd77::2]:{UDP}");
    spec.flow.source = Some(KERNEL.to_owned());
    control.create(&spec)?;
    let sender = GStreamer::start(rig.stage(), Raster::SMALL, 600, ("fd77::2", UDP))?;
    control.await_view("in", "frames", |it| it.counters.frames_complete > 10)?;
    drop(sender);
    let namespace = rig.stage().namespace();
    let known = output("ip", &["-n", namespace, "-6", "neigh", "show", "fd77::2"])?;
    ensure!(known.contains("lladdr"), "{known}");
    control.end("in").map(drop)
}

#[test]
fn port_and_kernel_find_each_other_and_take_the_packets() -> Result<()> {
    let rig = beside_the_kernel()?;
    kernel_finds_the_port(&rig)?;
    let socket = rig.stage().inside(|| {
        let socket = UdpSocket::bind((KERNEL, UDP))?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        Ok(socket)
    })?;
    let mut control = rig.control()?;
    let mut spec = send("out", Raster::SMALL, UDP, Source::Pattern);
    spec.port = "b".to_owned();
    spec.flow.destination = format!("[{KERNEL}]:{UDP}");
    control.create(&spec)?;
    let mut packet = [0; 2048];
    for _ in 0..100 {
        let (bytes, from) = socket.recv_from(&mut packet).context("a packet")?;
        ensure!(bytes > 12 && packet[0] == 0x80, "{bytes} bytes: no RTP");
        assert_eq!(from, format!("[fd77::2]:{UDP}").parse()?);
    }
    let view = control.show("out")?;
    assert_eq!(view.peer, Some(PeerState::Resolved));
    // Without the neighbour the session tells so.
    let namespace = rig.stage().namespace();
    let gone = [
        "-n",
        namespace,
        "-6",
        "address",
        "del",
        "fd77::9/64",
        "dev",
        "va",
    ];
    output("ip", &gone)?;
    until("the problem", Deadline::seconds(30), || {
        let problems = control.show("out")?.problems;
        let names = |text: &str| text.contains("neighbour solicitation");
        Ok(problems.iter().any(|it| names(&it.detail)).then_some(()))
    })
}

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
