//! P34: memory of a daemon but for pages of files (of its own, frames, packet buffers), with one session of 1080p59.94
//! that receives, and what another one adds: with frames for four clients; without a client, with one that takes each
//! frame, and with one that holds a frame beside it and takes no other until its quota of four is used up.
//!
//! The daemon also sends what it receives. What it had with port and session of that, and no other, is left out.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::{Source, SpecDocument};
use onair_stage::{Control, Raster, Rig, receive, send, wait_for};

use crate::load::frame_consumer;
use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

const UDP: u16 = 5004;
const OTHER_UDP: u16 = 5006;
const MIB: f64 = 1024.0 * 1024.0;
const RASTER: Raster = Raster::new(1920, 1080, 60, 10);
/// More than the session has buffers for.
const FRAMES: u64 = 60;
const FIRST_MIB: f64 = 64.0;
const MORE_MIB: f64 = 24.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    run.case("memory", 1);
    let mut rig = rig::cables(|config| config.hugepages = false)?;
    let done = one(&mut rig);
    let Memory {
        first,
        alone,
        client,
        stuck,
    } = rig.end(done)?;
    run.step();
    let row = |what: &str, mib: f64| {
        let variant = format!("AF_XDP ports, {what}");
        Row::of("P34", variant, "MiB", &Samples::from_iter([mib])).pinned("none")
    };
    let stuck = row(
        "the same, with one more that takes no frame of its quota",
        stuck,
    );
    Ok(vec![
        row("a daemon with one port, one session, one client", first)
            .target("≤ 64", |row| row.p50_at_most(FIRST_MIB)),
        row("another session adds, without a client", alone).part(),
        row("another session adds, with a client", client)
            .target("≤ 24", |row| row.p50_at_most(MORE_MIB)),
        stuck.part(),
    ])
}

/// MiB.
struct Memory {
    first: f64,
    alone: f64,
    client: f64,
    stuck: f64,
}

fn one(rig: &mut Rig) -> Result<Memory> {
    if rig.daemon().is_err() {
        rig.start_daemon()?;
    }
    let mut control = rig.control()?;
    let daemon = rig.daemon()?.pid();
    let memory = || mib_but_for_files(daemon);
    // A daemon's first session has costs of its own, and after its start the daemon gives memory back.
    control.create(&receive("warm", RASTER, UDP))?;
    control.end("warm")?;
    let idle = memory()?;
    for udp in [UDP, OTHER_UDP] {
        control.create(&send(&format!("out{udp}"), RASTER, udp, Source::Pattern))?;
    }
    let port = control
        .health()?
        .dataplane
        .ports
        .into_iter()
        .find(|it| it.name == "a");
    let port = float(port.context("no port a")?.memory_bytes) / MIB;
    let spec = |name, udp| SpecDocument {
        quota: Some(4),
        max_attachments: Some(4),
        ..receive(name, RASTER, udp)
    };
    let frames = |control: &mut Control, name: &str| {
        let most = control.show(name)?.counters.frames_complete + FRAMES;
        wait_for("frames", 60, || {
            Ok(control.show(name)?.counters.frames_complete >= most)
        })
    };
    let takes = |name| frame_consumer::start(rig.stage(), &rig.attach_socket(), name, &[]);
    wait_for("packets to go", 60, || {
        Ok(control.show(format!("out{OTHER_UDP}"))?.counters.packets > 0)
    })?;
    let beside = memory()? - idle + port;
    control.create(&spec("in", UDP))?;
    let one = takes("in")?;
    frames(&mut control, "in")?;
    let first = memory()?;
    control.create(&spec("more", OTHER_UDP))?;
    frames(&mut control, "more")?;
    let alone = memory()? - first;
    let two = takes("more")?;
    frames(&mut control, "more")?;
    let client = memory()? - first;
    let held = Wanted {
        held: 1,
        ..Wanted::default()
    };
    let three = users::start(
        rig.stage(),
        &rig.attach_socket(),
        &["more".to_owned()],
        held,
    )?;
    frames(&mut control, "more")?;
    let stuck = memory()? - first;
    drop((one, two, three));
    Ok(Memory {
        first: first - beside,
        alone,
        client,
        stuck,
    })
}

/// `RssAnon` and `RssShmem` of `/proc/PID/status` (proc_pid_status(5)).
fn mib_but_for_files(pid: u32) -> Result<f64> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let kib = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    let both = kib("RssAnon:").zip(kib("RssShmem:"));
    let (own, shared) = both.with_context(|| format!("no RssAnon or RssShmem in {path}"))?;
    Ok(float(own + shared) / 1024.0)
}
