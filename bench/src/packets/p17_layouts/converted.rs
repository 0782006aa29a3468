//! The processor that `onair-convert` uses for a frame of a converted session, beside a client of the source that
//! converts the same frames by itself.
//!
//! Both run in turns, off the poller's core, and write as many buffers in turn. The converted session is stopped while the
//! client converts: with two readers on one core, the second finds the frame in its cache.

use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{PixelFormat, Session, Timeout};
use onair_api::{SessionView, Source};
use onair_stage::{OfVideo as _, Raster, Rig, is_converter, receive, send, wait_for};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use crate::load::thread_clock::ThreadClock;
use crate::place;
use crate::result::row::Row;
use crate::result::samples::{Samples, float, micros};
use crate::rig;
use crate::run::Run;

const MOST: f64 = 1.1;
const FORMAT: PixelFormat = PixelFormat::V210;
const UDP: u16 = 5004;
/// Of a turn.
const FRAMES: u64 = 60;
const TIMEOUT: Timeout = Timeout::millis(10_000);

pub(super) fn measure(run: &Run) -> Result<Row> {
    let core = *place::cores()?.first().context("no core")?;
    let rig = rig::rings()?;
    // Only a thread of its own is pinned.
    let measured = thread::scope(|scope| {
        let all = scope.spawn(|| {
            place::pin(core)?;
            beside(run, &rig)
        });
        all.join().expect("the measuring thread does not panic")
    });
    let (ours, alone) = rig.end(measured)?;
    let variant = format!("1080p 10 bit: a frame of onair-convert → {FORMAT}");
    Ok(Row::of("P17", variant, "µs of processor", &ours)
        .beside("a client that converts it", &ours, &alone)
        .pinned(format!(
            "both off the poller's core, the client on core {core}"
        ))
        .ratio_at_most(MOST))
}

fn beside(run: &Run, rig: &Rig) -> Result<(Samples, Samples)> {
    let mut control = rig.control()?;
    let raster = Raster::new(1920, 1080, 60, 10);
    for mut spec in [
        receive("cam", raster, UDP),
        send("out", raster, UDP, Source::Pattern),
    ] {
        "60000/1001".clone_into(&mut spec.format.video_mut().frame_rate);
        control.create(&spec)?;
    }
    control.stop("out")?;
    let body = json!({
        "name": "converted", "convert": {"from": "cam", "layout": FORMAT.to_string()},
    });
    let view: SessionView = control.request("POST", "/v1/sessions", &body)?.document()?;
    let mut pid = None;
    wait_for("onair-convert to fill", 20, || {
        let all = control.show("converted")?.attachments;
        pid = all.iter().find(|it| is_converter(it)).map(|it| it.pid);
        Ok(pid.is_some())
    })?;
    let mut clock = ThreadClock::of(pid.context("it fills")?, "onair-convert")?;
    let source = Session::attach(rig.attach_socket(), "cam")?;
    let bytes = FORMAT.planes(&source.layout().frame_picture()).bytes;
    let mut buffers = vec![vec![1; bytes]; view.quota as usize];
    let turns = run.either(20, 3);
    run.case("frames of a converted session", turns);
    let (mut ours, mut alone) = (Samples::new(), Samples::new());
    for turn in 0..=turns {
        control.start("converted")?;
        clock.lap()?;
        let before = control.show("converted")?.counters.frames_complete;
        control.start("out")?;
        thread::sleep(Duration::from_secs(1));
        control.stop("out")?;
        let spent = clock.lap()?;
        let frames = control.show("converted")?.counters.frames_complete - before;
        control.stop("converted")?;
        while source.buffer_get(Timeout::millis(0)).is_ok() {}
        control.start("out")?;
        let by_itself = converts(&source, &mut buffers)?;
        control.stop("out")?;
        // The first one has the first touch of memory.
        if turn > 0 {
            ours.push(spent / float(frames));
            alone.push(by_itself);
            run.step();
        }
    }
    Ok((ours, alone))
}

/// µs of processor that a frame takes in this thread.
fn converts(source: &Session, buffers: &mut [Vec<u8>]) -> Result<f64> {
    let begin = used_ns();
    for (_, pixels) in (0..FRAMES).zip((0..buffers.len()).cycle()) {
        source
            .buffer_get(TIMEOUT)?
            .unpack(FORMAT, &mut buffers[pixels])?;
    }
    Ok(micros(used_ns() - begin) / float(FRAMES))
}

/// Nanoseconds of processor that this thread has used.
fn used_ns() -> u64 {
    let used = clock_gettime(ClockId::ThreadCPUTime);
    u64::try_from(used.tv_sec * 1_000_000_000 + used.tv_nsec).unwrap_or_default()
}
