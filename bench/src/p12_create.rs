//! P12: session create and destroy over the control socket, beside a request that only looks.
//!
//! The frames' memory is made for each session (a memory file that is never used again), so the warm
//! case is the daemon that has done it before, the cold one its first session.

use anyhow::{Context as _, Result};
use onair_ipc::sys;
use onair_stage::wait_for;
use serde_json::{Value, json};

use crate::row::Row;
use crate::run::Run;
use crate::samples::Samples;
use crate::stand::Stand;
use onair_stage::Http;

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
        let stand = Stand::rings(|_| {})?;
        let done = stand.control().and_then(|mut it| one(&mut it, &mut first));
        stand.end(done)?;
        run.step();
    }
    let stand = Stand::rings(|_| {})?;
    run.case("sessions", warm);
    let done = (|| {
        let (mut control, mut times) = (stand.control()?, Times::default());
        for round in 0..warm + 20 {
            let mut ignored = Times::default();
            let kept = round >= 20;
            one(&mut control, if kept { &mut times } else { &mut ignored })?;
            run.step();
        }
        Ok(times)
    })();
    let times = stand.end(done)?;
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

fn spec() -> Value {
    json!({
        "name": "bench", "direction": "receive", "port": "b",
        "video": {"width": 1920, "height": 1080, "frame_rate": "60000/1001", "depth": 10},
        "flow": {"destination": "10.77.0.2:5004"},
    })
}

fn one(control: &mut Http, times: &mut Times) -> Result<()> {
    let spec = spec();
    let begin = sys::monotonic_ns();
    let session = control.must_with("POST", "/v1/sessions", &spec)?;
    times.create.push(since(begin)?);
    let id = session["id"].as_str().context("a session without an id")?;
    let path = format!("/v1/sessions/{id}");
    let begin = sys::monotonic_ns();
    control.must("GET", &path)?;
    times.look.push(since(begin)?);
    control.must("POST", &format!("{path}/stop"))?;
    wait_for("the poller's hand-back", 10, || {
        let verdict = control.must("GET", &format!("{path}/verdict"))?;
        Ok(verdict["destroyable"] == true)
    })?;
    let begin = sys::monotonic_ns();
    control.must("POST", &format!("{path}/destroy"))?;
    times.destroy.push(since(begin)?);
    Ok(())
}

/// In µs.
fn since(begin_ns: u64) -> Result<f64> {
    let ns = sys::monotonic_ns().saturating_sub(begin_ns);
    Ok(f64::from(u32::try_from(ns)?) / 1_000.0)
}
