//! The kernel's own stack at the other end of the cable: its neighbour discovery and its checksums.

use std::net::UdpSocket;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{PeerState, Source};
use onair_tests::{Backend, Deadline, GStreamer, Raster, Rig, output, receive, send, until};

use super::{config, kernel_at};

const KERNEL: &str = "fd77::9";
const UDP: u16 = 5004;

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
