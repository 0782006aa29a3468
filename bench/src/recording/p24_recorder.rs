//! P24: a session is recorded: what that takes from the poller's rate, beside the same session without
//! the recorder, in turns; and what is lost at the usual rate.
//!
//! Both ends of a wire inside the daemon, one poller, as P23. For the rate, one session asks for more
//! than the core can do, and the recording keeps the first 96 bytes of each packet. What the disk does
//! not take in time, the recording counts as dropped: the poller never waits for it.

use std::time::{Duration, Instant};

use anyhow::Result;
use onair_api::operations::{StartRecording, StopRecording};
use onair_api::{Source, SpecDocument};
use onair_stage::{Control, Raster, Rig, receive, send};
use serde_json::{Value, json};

use crate::packets::testpmd::SETTLE;
use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::rig;
use crate::run::Run;

const UDP: u16 = 5004;
const WINDOW: Duration = Duration::from_millis(300);
const OFF: &str = "the same, not recorded";
const WHERE: &str = "the poller on the last core";

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let mut rig = rig::wires(1, "busy", &rig::ONE_WIRE)?;
    let done = rig.start_daemon().and_then(|()| rows(&rig, run));
    rig.end(done)
}

fn rows(rig: &Rig, run: &Run) -> Result<Vec<Row>> {
    let mut control = rig.control()?;
    let mut rows = saturated(&mut control, run)?;
    rows.extend(usual(&mut control, run)?);
    Ok(rows)
}

fn begin(control: &mut Control, raster: Raster) -> Result<()> {
    let spec = |spec| SpecDocument {
        quota: Some(1),
        max_attachments: Some(1),
        overcommit: Some(true),
        ..spec
    };
    control.create(&spec(receive("in", raster, UDP)))?;
    control.create(&spec(send("out", raster, UDP, Source::Pattern)))?;
    Ok(())
}

fn end(control: &mut Control) -> Result<()> {
    for name in ["out", "in"] {
        control.end(name)?;
    }
    Ok(())
}

/// Packets a second that `in` receives, thousands.
fn rate(control: &mut Control) -> Result<f64> {
    std::thread::sleep(SETTLE);
    let (before, begin) = (control.show("in")?.counters.packets, Instant::now());
    std::thread::sleep(WINDOW);
    let packets = control.show("in")?.counters.packets - before;
    Ok(float(packets) / begin.elapsed().as_secs_f64() / 1e3)
}

/// What a recording took, and what it dropped.
#[derive(Default)]
struct Recorded {
    taken: f64,
    dropped: f64,
}

fn recorded<T>(
    control: &mut Control,
    spec: Value,
    total: &mut Recorded,
    act: impl FnOnce(&mut Control) -> Result<T>,
) -> Result<T> {
    let recording = control.on::<StartRecording>("in", spec)?;
    let done = act(control);
    let ended = control.call::<StopRecording>(&recording.id.to_string().parse()?)?;
    let counts = ended.counts;
    // Packets that came after the stop are not missing.
    let late = counts.dropped.get("not_accepting").copied().unwrap_or(0);
    total.taken += float(counts.arrived - late);
    total.dropped += float(counts.arrived - late - counts.written);
    done
}

fn saturated(control: &mut Control, run: &Run) -> Result<Vec<Row>> {
    begin(control, Raster::new(7680, 4320, 60, 10))?;
    let turns = run.either(10, 3);
    run.case("one session, more than a core can do", turns);
    let (mut on, mut off, mut total) = <(Samples, Samples, Recorded)>::default();
    for _ in 0..turns {
        off.push(rate(control)?);
        let spec = json!({"format": "pcapng", "snap_length": 96});
        on.push(recorded(control, spec, &mut total, rate)?);
        run.step();
    }
    end(control)?;
    let dropped = Samples::from_iter([100.0 * total.dropped / total.taken]);
    Ok(vec![
        Row::of("P24", "saturated, recorded: 96 bytes a packet", "kpps", &on)
            .beside(OFF, &on, &off)
            .pinned(WHERE)
            .ratio_at_least(0.9),
        Row::of(
            "P24",
            "saturated: packets that the recording dropped",
            "%",
            &dropped,
        )
        .pinned(WHERE)
        .none(),
    ])
}

/// 1280×720p60, whole packets: 110 MB/s.
fn usual(control: &mut Control, run: &Run) -> Result<Vec<Row>> {
    begin(control, Raster::HD)?;
    let span = Duration::from_secs(run.either(5, 1));
    run.case("1280x720p60", 2);
    let lost = |control: &mut Control| -> Result<f64> {
        let before = control.show("in")?.counters.packets_lost;
        std::thread::sleep(span);
        Ok(float(control.show("in")?.counters.packets_lost - before))
    };
    let off = lost(control)?;
    run.step();
    let mut total = Recorded::default();
    let spec = json!({"format": "pcapng"});
    let on = recorded(control, spec, &mut total, lost)?;
    run.step();
    end(control)?;
    let row = |variant: &str, value| {
        let variant = format!("1280x720p60, recorded whole: {variant}");
        Row::of("P24", variant, "packets", &Samples::from_iter([value])).pinned(WHERE)
    };
    Ok(vec![
        row("packets that the session lost", on)
            .limit(OFF, off)
            .none(),
        row("packets that the recording dropped", total.dropped).none(),
    ])
}
