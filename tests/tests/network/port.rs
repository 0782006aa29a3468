//! What a port says of packets that no session has, of those that it cuts, and of a link that is lost.

use std::net::UdpSocket;

use anyhow::{Context as _, Result, ensure};
use onair_api::SessionProblemKind::{self, NoSignal};
use onair_api::operations::RetargetSession;
use onair_api::{ArrivingList, SessionProblem, Source};
use onair_tests::network::packet::{IPV4, ethernet, ipv4, rtp};
use onair_tests::{
    Backend, Config, Control, Raster, Rig, Wire, onairctl, receive, resolve, send, wait_for,
};
use serde_json::json;

const OURS: &str = "10.77.0.2";
const TIMEOUT_S: u64 = 30;
const COUNT: u64 = 20;
/// One datagram of ten segments, which the kernel leaves to the device (UDP_SEGMENT, udp(7)).
const SEGMENTS: &str = "import socket\n\
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
    s.setsockopt(17, 103, 1200)\n\
    for _ in range(20): s.sendto(b'x' * 12000, ('10.77.0.2', 5004))\n";
const HOST: &str = "10.77.0.9";
const UDP: u16 = 5010;
const RATE: u32 = 60;
/// RTP ticks a second.
const TICKS: u32 = 90_000;
/// How long the link is down, at least.
const DOWN_S: u32 = 3;

fn problem(control: &mut Control) -> Result<Option<SessionProblem>> {
    let problems = control.show("in")?.problems;
    Ok(problems.into_iter().find(|it| it.problem == NoSignal))
}

#[test]
fn packets_to_another_udp_port_then_named_by_port_and_session() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let mut control = rig.control()?;
    resolve(rig.stage(), OURS)?;
    let socket = rig.stage().inside(|| Ok(UdpSocket::bind("10.77.0.9:0")?))?;
    let packet = rtp(&[[640, 3, 0]], 640);
    let send = |strangers: u16| {
        for _ in 0..20 {
            socket.send_to(&packet, (OURS, 5006))?;
        }
        // A stranger, to ever new ports.
        for port in 20_000..20_000 + strangers {
            socket.send_to(&[0; 20], (OURS, port))?;
        }
        Ok::<_, anyhow::Error>(())
    };
    control.create(&receive("in", Raster::SMALL, 5004))?;
    let expected = format!("{OURS}:5006 with payload type 96 arrives on port b since ");
    let mut said = String::new();
    wait_for("the session to name it", TIMEOUT_S, || {
        send(300)?;
        said = problem(&mut control)?.map_or_else(String::new, |it| it.detail);
        Ok(said.contains(&expected))
    })?;
    ensure!(
        said.contains(&format!(
            "this session expects {OURS}:5004 with payload type 96"
        )) && said.contains(&format!(
            "onairctl session retarget in --destination {OURS}:5006"
        )),
        "{said}"
    );
    let listed = onairctl(&rig, "--json port arriving b")?.out;
    let listed: ArrivingList = serde_json::from_str(&listed)?;
    let flow = listed.arriving.first().context("a flow")?;
    assert_eq!(
        (&*flow.port, &*flow.destination, flow.payload_type),
        ("b", "10.77.0.2:5006", Some(96))
    );
    ensure!(
        flow.packets >= 20 && flow.first_seen <= flow.last_seen,
        "{flow:?}"
    );
    assert_eq!(listed.arriving.len(), 64, "the table is bounded");
    let table = onairctl(&rig, "port arriving")?.out;
    ensure!(table.contains("10.77.0.2:5006"), "{table}");
    let refused = onairctl(&rig, "port arriving c")?;
    ensure!(
        refused.err.contains("no port is called \"c\""),
        "{}",
        refused.err
    );

    // Absent from another time on: that of the change.
    let retarget = |control: &mut Control, destination: &str| {
        let flow = json!({"flow": {"destination": destination}});
        control.on::<RetargetSession>("in", flow)
    };
    let before = control.show("in")?.signal.context("a signal")?.since;
    let changed = retarget(&mut control, "10.77.0.2:5008")?;
    let signal = changed.signal.context("a signal")?;
    wait_for("the new reason", TIMEOUT_S, || {
        send(0)?;
        said = problem(&mut control)?.map_or_else(String::new, |it| it.detail);
        Ok(said.contains("since the retarget at "))
    })?;
    ensure!(signal.since > before, "{signal:?}");
    let now = control.show("in")?.signal.context("a signal")?;
    assert_eq!(now.since, signal.since);
    retarget(&mut control, "10.77.0.2:5006")?;
    wait_for("the packets", TIMEOUT_S, || {
        send(0)?;
        Ok(problem(&mut control)?.is_none())
    })?;
    control.end("in")?;
    Ok(())
}

/// Waits until the port has cut so many, and for what health says of it.
fn named(control: &mut Control, count: u64) -> Result<String> {
    let mut said = String::new();
    wait_for("the port to be named", TIMEOUT_S, || {
        let health = control.health()?;
        let port = health.dataplane.ports.first().context("a port")?;
        ensure!(port.rx_malformed == 0, "{port:?}");
        let is_cut = |it: &String| it.contains("port b has cut");
        said = health.problems.into_iter().find(is_cut).unwrap_or_default();
        Ok(port.rx_cut >= count && said.contains(&format!("has cut {} packets", port.rx_cut)))
    })?;
    Ok(said)
}

#[test]
fn packets_longer_than_the_first_mtu_then_the_port_is_named() -> Result<()> {
    let mut config = Config::pair(Backend::AfPacket);
    config.ports.retain(|port| port.name == "b");
    let rig = Rig::with(config, |_| {})?;
    let stage = rig.stage();
    let mut control = rig.control()?;
    stage.ip("address add 10.77.0.9/24 dev va")?;
    resolve(stage, "10.77.0.2")?;
    let sent = stage
        .command_inside("python3")
        .args(["-c", SEGMENTS])
        .status()?;
    ensure!(sent.success(), "{sent}");
    let said = named(&mut control, COUNT)?;
    ensure!(said.contains("tx-udp-segmentation off"), "{said}");

    for end in ["va", "vb"] {
        stage.ip(&format!("link set {end} mtu 9000"))?;
    }
    let wire = Wire::open(stage, "va")?;
    let frame = ethernet([0xff; 6], wire.mac()?, IPV4, &ipv4(&[0x55; 5000]));
    for _ in 0..COUNT {
        wire.send(&frame)?;
    }
    let said = named(&mut control, 2 * COUNT)?;
    ensure!(said.contains("has an MTU of 9000 now"), "{said}");
    Ok(())
}

/// The RTP timestamps of all that has come.
fn timestamps(socket: &UdpSocket) -> Vec<u32> {
    let mut packet = [0; 2048];
    let mut taken = Vec::new();
    while let Ok(bytes) = socket.recv(&mut packet) {
        if let Some(stamp) = packet[..bytes].get(4..8).and_then(|it| it.first_chunk()) {
            taken.push(u32::from_be_bytes(*stamp));
        }
    }
    taken
}

/// The interface `down` goes down and comes back: that of the port, `vb`, or the other end of its cable, `va`.
fn loses_its_link(backend: Backend, down: &str) -> Result<()> {
    let mut config = Config::pair(backend);
    config.ports.retain(|port| port.name == "b");
    let rig = Rig::with(config, |_| {})?;
    let stage = rig.stage();
    stage.ip(&format!("address add {HOST}/24 dev va"))?;
    resolve(stage, "10.77.0.2")?;
    let host = stage.inside(|| {
        let socket = UdpSocket::bind((HOST, UDP))?;
        socket.set_nonblocking(true)?;
        Ok(socket)
    })?;
    let mut control = rig.control()?;
    let mut spec = send("out", Raster::new(320, 180, RATE, 10), UDP, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = format!("{HOST}:{UDP}");
    control.create(&spec)?;
    for _ in 0..2 {
        let mut last = None;
        wait_for("packets", TIMEOUT_S, || {
            last = timestamps(&host).pop();
            Ok(last.is_some())
        })?;
        stage.ip(&format!("link set {down} down"))?;
        control.await_problem("out", SessionProblemKind::LinkDown)?;
        let last = timestamps(&host).pop().or(last).context("a packet")?;
        let before = control.show("out")?.counters.frames_no_link;
        control.await_view("out", "down for long", |it| {
            it.counters.frames_no_link > before + u64::from(DOWN_S * RATE)
        })?;
        stage.ip(&format!("link set {down} up"))?;
        let mut late = 0;
        wait_for("new packets", TIMEOUT_S, || {
            let taken = timestamps(&host);
            let is_late = |stamp: &u32| stamp.wrapping_sub(last) < (DOWN_S - 1) * TICKS;
            let of_late = taken.iter().filter(|it| is_late(it)).count();
            late += of_late;
            Ok(taken.len() > of_late)
        })?;
        assert_eq!(late, 0, "packets from the time without a link");
    }
    control.end("out")?;
    Ok(())
}

#[test]
fn link_of_af_packet_down_and_up_then_no_old_packet_is_sent() -> Result<()> {
    loses_its_link(Backend::AfPacket, "vb")
}

#[test]
fn cable_of_af_xdp_out_and_in_then_no_old_packet_is_sent() -> Result<()> {
    loses_its_link(Backend::AfXdp, "va")
}
