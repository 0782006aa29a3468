//! P12: session create and destroy over the control socket, beside a request that only looks, and a write to the disk
//! on which the certificate must be.
//!
//! The frames' memory is made for each session (a memory file that is never used again), so the warm
//! case is the daemon that has done it before, the cold one its first session.

use anyhow::Result;
use onair_api::SpecDocument;
use onair_ipc::sys;
use onair_stage::OfVideo as _;
use onair_stage::{Control, Raster, receive, wait_for};

use crate::load::disk::{Disk, SYNC};
use crate::result::row::Row;
use crate::result::samples::{Samples, micros_since};
use crate::rig;
use crate::run::Run;

const LIMIT_US: f64 = 100.0;
const SYNCS: f64 = 2.0;
const TRIP: &str = "GET of the same session";

#[derive(Default)]
struct Times {
    create: Samples,
    destroy: Samples,
    look: Samples,
    sync: Samples,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let (warm, cold) = (run.of(1_000), run.either(8, 2));
    let mut first = Times::default();
    run.case("first session of a daemon", cold);
    for _ in 0..cold {
        let rig = rig::rings()?;
        let done = (|| one(&mut rig.control()?, &Disk::beside(&rig)?, &mut first))();
        rig.end(done)?;
        run.step();
    }
    let rig = rig::rings()?;
    run.case("sessions", warm);
    let done = (|| {
        let (mut control, disk) = (rig.control()?, Disk::beside(&rig)?);
        let mut times = Times::default();
        for round in 0..warm + 20 {
            let mut ignored = Times::default();
            let kept = round >= 20;
            let times = if kept { &mut times } else { &mut ignored };
            one(&mut control, &disk, times)?;
            run.step();
        }
        Ok(times)
    })();
    let times = rig.end(done)?;
    let row = |variant, ours: &Samples, name, other: &Samples| {
        Row::of("P12", variant, "µs", ours)
            .beside(name, ours, other)
            .pinned("none; the poller on the last core")
    };
    let create = |variant, times: &Times| row(variant, &times.create, TRIP, &times.look);
    let destroy = |variant, times: &Times| row(variant, &times.destroy, SYNC, &times.sync);
    Ok(vec![
        create("create, 1080p receive", &times)
            .target("p50 ≤ 100 µs", |row| row.p50_at_most(LIMIT_US)),
        destroy("destroy, stopped and handed back", &times).ratio_at_most(SYNCS),
        create("create, a daemon's first", &first).target("p50 < a frame time, 16.7 ms", |row| {
            row.p50_at_most(16_700.0)
        }),
    ])
}

fn spec() -> SpecDocument {
    let mut spec = receive("bench", Raster::new(1920, 1080, 60, 10), 5004);
    "60000/1001".clone_into(&mut spec.format.video_mut().frame_rate);
    spec
}

fn one(control: &mut Control, disk: &Disk, times: &mut Times) -> Result<()> {
    let spec = spec();
    let begin = sys::monotonic_ns();
    let id = control.create(&spec)?.id;
    times.create.push(micros_since(begin));
    let begin = sys::monotonic_ns();
    control.show(id)?;
    times.look.push(micros_since(begin));
    control.stop(id)?;
    wait_for("the poller's hand-back", 10, || {
        Ok(control.verdict(id)?.destroyable)
    })?;
    let begin = sys::monotonic_ns();
    control.destroy(id)?;
    times.destroy.push(micros_since(begin));
    times.sync.push(disk.sync()?);
    Ok(())
}
