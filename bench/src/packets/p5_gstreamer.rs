//! P5, the receiving half beside a GStreamer pipeline: processor time for each packet of one
//! 1280×720p60 session, from the packet to the whole frame.
//!
//! One poller sends the built-in pattern, in turns, over one cable to a port of a poller that does
//! nothing but receive it, and over another to the kernel's end, where `udpsrc ! rtpvrawdepay`
//! receives it. Counted is what the receiving poller, or all threads of GStreamer, use; what the
//! kernel does for a packet before that, it does on the sender's account for both.

use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::Source;
use onair_stage::{
    Control, Raster, Rig, Running, cpu_time, receive, run as execute, send, threads, threads_named,
    wait_for,
};

use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

const TIMEOUT_S: u64 = 20;
/// UDP ports of the two flows.
const OURS: u16 = 5004;
const THEIRS: u16 = 5006;
/// What GStreamer's socket may hold, in bytes: without it the kernel drops packets.
const BUFFER: u64 = 32 << 20;

pub(crate) fn measure(run: &Run) -> Result<Row> {
    let first = *place::cores()?.first().context("no core")?;
    let mut rig = rig::cables(|config| {
        config.ports.retain(|port| port.name == "a");
        config.more += &format!("[[poller]]\nname = \"p1\"\ncore = {first}\n");
    })?;
    let netns = format!("netns = \"{}\"\n", rig.stage().namespace());
    for (name, end, address, poller) in [
        ("b", "vb", "10.77.0.2/24", "p1"),
        ("c", "ta", "10.78.0.1/24", "p0"),
    ] {
        rig.config.more += &format!(
            "[[port]]\nname = \"{name}\"\ndevice = \"net_af_xdp_{end},iface={end}\"\n{netns}\
             address = \"{address}\"\npoller = \"{poller}\"\n"
        );
    }
    let namespace = rig.stage().namespace().to_owned();
    execute(
        "ip",
        &["-n", &namespace, "addr", "add", "10.78.0.2/24", "dev", "tb"],
    )?;
    let done = rig.start_daemon().and_then(|()| row(run, &mut rig));
    rig.end(done)
}

fn row(run: &Run, rig: &mut Rig) -> Result<Row> {
    let mut control = rig.control()?;
    control.create(&receive("in", Raster::HD, OURS))?;
    control.create(&send("out", Raster::HD, OURS, Source::Pattern))?;
    let mut beside = send("beside", Raster::HD, THEIRS, Source::Pattern);
    "c".clone_into(&mut beside.port);
    beside.flow.destination = format!("10.78.0.2:{THEIRS}");
    control.create(&beside)?;
    control.stop("out")?;
    control.stop("beside")?;
    let daemon = rig.daemon()?.pid();
    let poller = thread_of(daemon, "onair-p1")?;
    let mut gstreamer = gstreamer(rig)?;
    let window = Duration::from_secs(1);
    let (mut ours, mut theirs) = (Samples::default(), Samples::default());
    let (mut lost, mut dropped) = (0.0, 0.0);
    let rounds = run.of(10).max(3);
    run.case("receiving 1280x720p60, beside GStreamer", rounds);
    for _ in 0..rounds {
        let receiver = |control: &mut Control| packets(control, "in");
        let mine = || cpu_time(daemon, poller);
        let (cost, came, sent) = turn(&mut control, "out", window, &mine, &receiver)?;
        ours.push(cost);
        lost += sent - came;
        let pid = gstreamer.pid();
        let before = drops(pid)?;
        let receiver = |control: &mut Control| Ok(packets(control, "beside")? - drops(pid)?);
        let all = || threads(pid)?.into_iter().map(|it| cpu_time(pid, it)).sum();
        let (cost, ..) = turn(&mut control, "beside", window, &all, &receiver)?;
        theirs.push(cost);
        dropped += drops(pid)? - before;
        run.step();
    }
    gstreamer.kill()?;
    ensure!(lost == 0.0, "{lost} packets were lost on the way to us");
    let name = "receiving 1280x720p60, processor of a packet";
    Ok(Row::of("P5", name, "ns", &ours)
        .beside("GStreamer: udpsrc ! rtpvrawdepay", &ours, &theirs)
        .pinned(format!(
            "sender on the last core, receiving poller on the first, GStreamer where the kernel puts \
             it; it was dropped {dropped} packets, and we none"
        ))
        .ratio_at_most(1.0))
}

/// Has `sender` send for a while. Processor time of the receiver for each packet that came, in
/// nanoseconds; how many came and were sent.
fn turn(
    control: &mut Control,
    sender: &str,
    window: Duration,
    used: &dyn Fn() -> Result<Duration>,
    received: &dyn Fn(&mut Control) -> Result<f64>,
) -> Result<(f64, f64, f64)> {
    let (sent, came) = (packets(control, sender)?, received(control)?);
    let cpu = used()?;
    let begin = Instant::now();
    control.start(sender)?;
    std::thread::sleep(window);
    control.stop(sender)?;
    ensure!(begin.elapsed() >= window, "the clock goes back");
    let (mut sent_now, mut came_now) = (0.0, -1.0);
    // A sender that was stopped finishes its frame; then what is on the wire arrives.
    wait_for("the last packets", TIMEOUT_S, || {
        let before = (sent_now, came_now);
        std::thread::sleep(Duration::from_millis(50));
        (sent_now, came_now) = (packets(control, sender)?, received(control)?);
        Ok(before == (sent_now, came_now))
    })?;
    let cpu = used()?.saturating_sub(cpu).as_secs_f64() * 1e9;
    let (sent, came) = (sent_now - sent, came_now - came);
    ensure!(came > 0.0, "nothing came from {sender}");
    Ok((cpu / came, came, sent))
}

fn packets(control: &mut Control, name: &str) -> Result<f64> {
    Ok(float(control.show(name)?.counters.packets))
}

fn thread_of(pid: u32, name: &str) -> Result<u32> {
    let found = threads_named(pid, name)?.pop_first();
    found.with_context(|| format!("the daemon has no thread {name}"))
}

/// GStreamer's pipeline, which listens.
fn gstreamer(rig: &Rig) -> Result<Running> {
    rig.stage().sysctl_at_least("net.core.rmem_max", BUFFER)?;
    let pipeline = format!(
        "udpsrc port={THEIRS} buffer-size={BUFFER} ! application/x-rtp,media=video,clock-rate=90000,\
         encoding-name=RAW,sampling=YCbCr-4:2:2,depth=(string)8,width=(string)1280,\
         height=(string)720,payload=96 ! rtpvrawdepay ! fakesink"
    );
    let child = rig
        .stage()
        .command_inside("gst-launch-1.0")
        .arg("--quiet")
        .args(pipeline.split_ascii_whitespace())
        .stdin(Stdio::null())
        .spawn()
        .context("starting gst-launch-1.0: `cargo xtask setup` installs it")?;
    let mut running = Running::new("gst-launch-1.0", child)?;
    let pid = running.pid();
    wait_for("GStreamer to listen", TIMEOUT_S, || {
        ensure!(running.ended()?.is_none(), "gst-launch-1.0 has ended");
        Ok(drops(pid).is_ok())
    })?;
    Ok(running)
}

/// Packets that the kernel dropped at GStreamer's socket: the last column of proc_net_udp(5).
fn drops(pid: u32) -> Result<f64> {
    let table = fs::read_to_string(format!("/proc/{pid}/net/udp"))?;
    let entry = format!(":{THEIRS:04X} ");
    let line = table.lines().find(|line| line.contains(&entry));
    let dropped = line.and_then(|line| line.split_ascii_whitespace().last()?.parse().ok());
    dropped.context("no process listens")
}
