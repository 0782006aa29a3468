//! Two ports in two networks, and a router between them: the kernel.

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_stage::{MEMORY_MB, Veth};
use onair_tests::{
    Backend, Capture, Config, Deadline, QUOTA, Raster, Rig, Stage, Viewer, output, receive, send,
};

const NEAR: &str = "10.77.0.254";
const FAR: &str = "10.78.0.254";

/// Port `a` (10.77.0.1) on `va`, port `b` (10.78.0.2) on `vb`, each at a cable to the router, which is
/// their gateway if they have one.
fn rig(has_gateway: bool) -> Result<Rig> {
    let mut config = Config::pair(Backend::AfXdp);
    config.ports[1].address = "10.78.0.2/24".into();
    if has_gateway {
        for (port, gateway) in config.ports.iter_mut().zip([NEAR, FAR]) {
            port.keys = format!("gateway = \"{gateway}\"");
        }
    }
    let stage = Stage::open("test")?;
    for (own, router, address) in [
        ("va", "ra", "10.77.0.254/24"),
        ("vb", "rb", "10.78.0.254/24"),
    ] {
        let mut cable = Veth::bare(own, router);
        cable.b.address = Some(address);
        stage.veth(&cable)?;
    }
    let net = format!("--net=/run/netns/{}", stage.namespace());
    // Not behind the daemon's own ends: on AF_PACKET the kernel has each packet, too.
    let forward = "for f in ra rb; do echo 1 > /proc/sys/net/ipv4/conf/$f/forwarding; done";
    output("nsenter", &[&net, "sh", "-c", forward])?;
    config.hugepages = stage.hugepages(MEMORY_MB)?;
    let mut rig = onair_stage::Rig::new(stage, config);
    rig.start_daemon()?;
    Ok(rig.into())
}

/// Frames go from one network to the other, with one hop less to live.
#[test]
fn session_behind_a_router_without_the_kernel_then_one_hop_less() -> Result<()> {
    const FRAMES: u64 = 60;
    let rig = rig(true)?;
    let mut control = rig.control()?;
    let mut into = receive("in", Raster::SMALL, 5004);
    into.flow.destination = "10.78.0.2:5004".into();
    into.quota = Some(QUOTA);
    control.create(&into)?;
    let mut viewer = Viewer::start(&rig, "in")?;
    let capture = Capture::start(rig.stage(), "rb")?;
    let mut out = send("out", Raster::SMALL, 5004, Source::Pattern);
    out.flow.destination = into.flow.destination.clone();
    out.flow.ttl = Some(9);
    control.create(&out)?;
    viewer.wait(FRAMES, Deadline::seconds(40))?;
    let sent = control.end("out")?.frames;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    // The router drops what comes before it knows port b.
    let whole = seen.iter().filter(|frame| frame.complete);
    let whole: Vec<_> = whole
        .map(|frame| frame.pattern_number() == Some(frame.number))
        .collect();
    assert!(whole.len() as u64 >= FRAMES, "{} of {sent:?}", whole.len());
    control.destroy_wait("in")?;
    let rows = capture.finish(5004, &["ip.ttl", "ip.src"])?;
    let first = rows.first().context("tshark saw nothing")?;
    assert_eq!(*first, ["8", "10.77.0.1"]);
    assert!(rows.iter().all(|row| row == first));
    Ok(())
}
