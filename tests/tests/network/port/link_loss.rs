//! A sender whose interface goes down and comes back: what it was given meanwhile is not sent late.

use std::net::UdpSocket;

use anyhow::{Context as _, Result};
use onair_api::{SessionProblemKind, Source};
use onair_tests::{Backend, Config, Raster, Rig, output, resolve, send, wait_for};

const HOST: &str = "10.77.0.9";
const UDP: u16 = 5010;
const TIMEOUT_S: u64 = 30;
const RATE: u32 = 60;
/// RTP ticks a second.
const TICKS: u32 = 90_000;
/// How long the link is down, at least.
const DOWN_S: u32 = 3;

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
    let ip = |arguments: &str| {
        let arguments: Vec<_> = arguments.split(' ').collect();
        output("ip", &[&["-n", stage.namespace()][..], &arguments].concat())
    };
    ip(&format!("address add {HOST}/24 dev va"))?;
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
        ip(&format!("link set {down} down"))?;
        control.await_problem("out", SessionProblemKind::LinkDown)?;
        let last = timestamps(&host).pop().or(last).context("a packet")?;
        let before = control.show("out")?.counters.frames_no_link;
        control.await_view("out", "down for long", |it| {
            it.counters.frames_no_link > before + u64::from(DOWN_S * RATE)
        })?;
        ip(&format!("link set {down} up"))?;
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
