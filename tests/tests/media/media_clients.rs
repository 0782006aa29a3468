//! Clients that send.

use std::thread;

use anyhow::{Context as _, Result};
use onair_api::{Source, SpecDocument};
use onair_tests::{
    Control, Deadline, QUOTA, Raster, RelayedVideo, Rig, Viewer, receive, send, wait_for,
};

/// Frames that the client sends.
const FRAMES: u64 = 120;
const PULSES: usize = 6;

fn client_sends(rig: &Rig, raster: Raster) -> Result<()> {
    let mut video = RelayedVideo::start(rig, raster, Source::Client)?;
    let mut source = rig.user("out")?;
    source.say(format_args!("submit {FRAMES}"))?;
    // It leaves at once: what it has submitted is sent nevertheless.
    source.say("detach")?;
    source.leave()?;
    video.viewer.wait(FRAMES, Deadline::seconds(20))?;
    let (out, seen) = video.end().with_context(|| format!("{raster:?}"))?;
    assert_eq!(out.frames_sent, FRAMES);
    let ticks = 90_000 / raster.rate;
    for frame in &seen {
        assert!(frame.checksum_right, "{frame:?}");
        assert_eq!(frame.head[0], frame.number, "{frame:?}");
    }
    for pair in seen.windows(2) {
        let step = pair[1].rtp_timestamp.wrapping_sub(pair[0].rtp_timestamp);
        assert!(step > 0 && step.is_multiple_of(ticks), "{pair:?}");
    }
    Ok(())
}

#[test]
fn client_sends_leaves_or_flushes_then_all_arrive_in_order() -> Result<()> {
    let rig = Rig::pair()?;
    client_sends(&rig, Raster::new(320, 180, 60, 10))?;
    client_sends(&rig, Raster::new(640, 360, 50, 8))?;
    flushes(&rig)
}

/// A flush is answered when all is sent.
fn flushes(rig: &Rig) -> Result<()> {
    const BATCH: u64 = 12;
    // So slow that the batch takes more than a second, and is submitted long before.
    let raster = Raster::new(320, 180, 10, 8);
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        quota: Some(QUOTA),
        ..send("out", raster, 5004, Source::Client)
    })?;
    control.create(&receive("in", raster, 5004))?;
    let mut source = rig.user("out")?;

    source.say(format_args!("submit {BATCH}"))?;
    let late = control.try_flush("out", 1)?;
    late.refused(409, "deadline_passed")?;
    let flushed = control.flush("out")?;
    let sent = control.show("out")?.counters;
    assert_eq!(sent.frames_sent, BATCH, "{sent:?}");
    // Frames that went before it was asked are not its.
    assert!((1..=BATCH).contains(&flushed.frames_sent), "{flushed:?}");
    let again = control.flush("out")?;
    assert_eq!(again.frames_sent, 0, "nothing is left");

    // Whichever comes first: a stop sends what was submitted, too.
    source.say(format_args!("submit {BATCH}"))?;
    let mut other = rig.control()?;
    let flushed = thread::scope(|scope| {
        let flush = scope.spawn(|| other.flush("out"));
        control.stop("out")?;
        flush.join().expect("it does not panic")
    })?;
    assert!(flushed.frames_sent <= BATCH, "{flushed:?}");
    let sent = control.show("out")?.counters;
    assert_eq!(sent.frames_sent, 2 * BATCH, "{sent:?}");
    // Nothing is submitted to a session that is stopped.
    let stopped = control.try_flush("out", 0)?;
    let sent = &stopped.json["frames_sent"];
    assert_eq!((stopped.status, sent), (200, &0.into()));
    let refused = control.try_flush("in", 0)?;
    let code = &refused.json["code"];
    assert_eq!((refused.status, code), (400, &"invalid_request".into()));
    Ok(())
}

/// Waits until the pollers serve `sessions` sessions.
fn served(control: &mut Control, sessions: u64) -> Result<()> {
    wait_for("the poller to hand a session back", 10, || {
        let pollers = control.health()?.dataplane.pollers;
        let served: u64 = pollers.iter().map(|poller| poller.sessions).sum();
        Ok(served == sessions)
    })
}

#[test]
fn sender_stopped_and_started_then_silent_from_a_frame_boundary() -> Result<()> {
    let rig = Rig::pair()?;
    let mut video = RelayedVideo::start(&rig, Raster::SMALL, Source::Pattern)?;
    // Another flow, that shows that time passes while the first is silent.
    video.control.receiver("clock-in", 6000)?;
    let mut clock = Viewer::start(&rig, "clock-in")?;
    video.control.pattern("clock-out", 6000)?;

    for _ in 0..PULSES {
        let more = video.viewer.taken()? + 7;
        video.viewer.wait(more, Deadline::seconds(20))?;
        video.control.stop("out")?;
        served(&mut video.control, 3)?;
        let sent = video.control.show("out")?.counters;
        video.settle()?;
        let later = clock.taken()? + 10;
        clock.wait(later, Deadline::seconds(20))?;
        assert_eq!(video.control.show("out")?.counters, sent, "it still sends");
        let came = video.control.show("in")?.counters;
        assert_eq!(came.packets, sent.packets, "{came:?}");
        assert_eq!(
            (came.frames_complete, came.frames_incomplete),
            (sent.frames_sent, 0),
            "no whole number of frames: {came:?}"
        );
        video.control.start("out")?;
    }
    let more = video.viewer.taken()? + 7;
    video.viewer.wait(more, Deadline::seconds(20))?;
    video.control.stop("clock-out")?;

    let (_, seen) = video.end()?;
    let ticks = 90_000 / Raster::SMALL.rate;
    let mut pauses = 0;
    for pair in seen.windows(2) {
        assert_eq!(
            pair[1].pattern_number(),
            Some(pair[0].number + 1),
            "{pair:?}"
        );
        // The clock of the stream runs on through a pause.
        let step = pair[1].rtp_timestamp.wrapping_sub(pair[0].rtp_timestamp);
        assert!(step > 0 && step.is_multiple_of(ticks), "{pair:?}");
        pauses += usize::from(step > 5 * ticks);
    }
    assert!(pauses >= PULSES, "{pauses} pauses");
    Ok(())
}
