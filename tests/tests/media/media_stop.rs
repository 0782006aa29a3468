//! Stop and start as they show on the wire.

use anyhow::Result;
use onair_api::Source;
use onair_tests::{Control, Deadline, Raster, RelayedVideo, Rig, Viewer, wait_for};

const PULSES: usize = 6;

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
