//! P34: resident memory of a daemon with two ports, and what one session of 1080p59.94 adds: with frames for four
//! clients, without a client, and with one that holds a frame.

use anyhow::Result;
use onair_api::{Source, SpecDocument};
use onair_stage::{Raster, Rig, receive, send, wait_for};

use crate::control::p21_memory::Footprint;
use crate::load::users::{self, Wanted};
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

const UDP: u16 = 5004;
const RASTER: Raster = Raster::new(1920, 1080, 60, 10);
/// More than the session has buffers for.
const FRAMES: u64 = 60;
const MOST_MIB: f64 = 64.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    run.case("memory", 2);
    let mut rows = vec![];
    for (ports, mut rig) in [
        ("ring ports", rig::rings()?),
        (
            "AF_XDP ports",
            rig::cables(|config| config.hugepages = false)?,
        ),
    ] {
        let done = one(&mut rig);
        let [idle, alone, with] = rig.end(done)?;
        let row = |what: &str, mib: f64| {
            let variant = format!("{ports}, {what}");
            Row::of("P34", variant, "MiB", &Samples::from_iter([mib])).pinned("none")
        };
        let least = |row: &Row| row.p50_at_most(MOST_MIB);
        rows.push(row("idle", idle).part());
        rows.push(row("a session adds", alone - idle).target("≤ 64", least));
        rows.push(row("it adds, with a client", with - idle).target("≤ 64", least));
        run.step();
    }
    Ok(rows)
}

/// Idle, with a session, and with its client.
fn one(rig: &mut Rig) -> Result<[f64; 3]> {
    if rig.daemon().is_err() {
        rig.start_daemon()?;
    }
    let mut control = rig.control()?;
    let daemon = rig.daemon()?.pid();
    let resident = || Ok::<_, anyhow::Error>(float(Footprint::of(daemon)?.resident) / 1024.0);
    let spec = SpecDocument {
        quota: Some(4),
        max_attachments: Some(4),
        ..receive("in", RASTER, UDP)
    };
    // A daemon's first session has costs of its own, and after its start the daemon gives memory back.
    control.create(&spec)?;
    control.end("in")?;
    let idle = resident()?;
    control.create(&spec)?;
    control.create(&send("out", RASTER, UDP, Source::Pattern))?;
    let mut frames = |more: u64| {
        let most = control.show("in")?.counters.frames_complete + more;
        wait_for("frames", 60, || {
            Ok(control.show("in")?.counters.frames_complete >= most)
        })
    };
    frames(FRAMES)?;
    let alone = resident()?;
    let held = Wanted {
        held: 1,
        ..Wanted::default()
    };
    let client = users::start(rig.stage(), &rig.attach_socket(), &["in".to_owned()], held)?;
    frames(FRAMES)?;
    let with = resident()?;
    drop(client);
    Ok([idle, alone, with])
}
