//! P12: session create and destroy over the control socket, beside a request that only looks.
//!
//! The frames' memory is made for each session (a memory file that is never used again), so the warm
//! case is the daemon that has done it before, the cold one its first session.

use anyhow::Result;
use onair_api::SpecDocument;
use onair_ipc::sys;
use onair_stage::OfVideo as _;
use onair_stage::{Control, Raster, receive, wait_for};

use crate::result::row::Row;
use crate::result::samples::{Samples, micros_since};
use crate::rig;
use crate::run::Run;

const LIMIT_US: f64 = 200.0;
const TRIP: &str = "GET of the same session";

#[derive(Default)]
struct Times {
    create: Samples,
    destroy: Samples,
    look: Samples,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let (warm, cold) = (run.of(1_000), run.either(8, 2));
    let mut first = Times::default();
    run.case("first session of a daemon", cold);
    for _ in 0..cold {
        let rig = rig::rings()?;
        let done = rig.control().and_then(|mut it| one(&mut it, &mut first));
        rig.end(done)?;
        run.step();
    }
    let rig = rig::rings()?;
    run.case("sessions", warm);
    let done = (|| {
        let (mut control, mut times) = (rig.control()?, Times::default());
        for round in 0..warm + 20 {
            let mut ignored = Times::default();
            let kept = round >= 20;
            one(&mut control, if kept { &mut times } else { &mut ignored })?;
            run.step();
        }
        Ok(times)
    })();
    let times = rig.end(done)?;
    let row = |variant, ours: &Samples, look: &Samples| {
        Row::of("P12", variant, "µs", ours)
            .beside(TRIP, ours, look)
            .pinned("none; the poller on the last core")
    };
    let target = |row: Row| row.target("p50 < 200 µs", |row| row.p50_at_most(LIMIT_US));
    Ok(vec![
        target(row("create, 1080p receive", &times.create, &times.look)),
        target(row(
            "destroy, stopped and handed back",
            &times.destroy,
            &times.look,
        )),
        row("create, a daemon's first", &first.create, &first.look),
        row("destroy, a daemon's first", &first.destroy, &first.look),
    ])
}

fn spec() -> SpecDocument {
    let mut spec = receive("bench", Raster::new(1920, 1080, 60, 10), 5004);
    "60000/1001".clone_into(&mut spec.format.video_mut().frame_rate);
    spec
}

fn one(control: &mut Control, times: &mut Times) -> Result<()> {
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
    Ok(())
}
