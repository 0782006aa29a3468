//! Frames out of one port and into another: none lost, none wrong, in order.

use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_stage::{until, wait_for};
use onair_tests::{Backend, Config, Deadline, Raster, RelayedVideo, Rig, receive, send};
use rustix::process::Signal;

/// Sends the pattern until `frames` frames of it have come, and looks at each.
fn pattern(rig: &Rig, raster: Raster, frames: u64) -> Result<()> {
    let mut video = RelayedVideo::start(rig, raster, Source::Pattern)?;
    video.viewer.wait(frames, Deadline::seconds(40))?;
    let (out, seen) = video.end().with_context(|| format!("{raster:?}"))?;
    assert!(out.frames_sent >= frames);
    for frame in &seen {
        // Both ends count frames from 0, and none was lost between them.
        assert_eq!(
            frame.pattern_number(),
            Some(frame.number),
            "{raster:?}: {frame:?}"
        );
    }
    assert!(
        seen.is_sorted_by(|a, b| a.number < b.number),
        "{raster:?}: out of order"
    );
    Ok(())
}

#[test]
fn pattern_over_af_xdp_in_two_rasters_and_depths_then_all_right() -> Result<()> {
    let rig = Rig::pair()?;
    assert_eq!(rig.control()?.health()?.dataplane.backend, "af_xdp");
    for (raster, frames) in [
        (Raster::new(320, 180, 60, 10), 100),
        (Raster::new(320, 180, 60, 8), 100),
        (Raster::new(1280, 720, 25, 8), 40),
        (Raster::new(1280, 720, 25, 10), 40),
    ] {
        pattern(&rig, raster, frames)?;
    }
    Ok(())
}

#[test]
fn senders_64_held_up_together_then_they_catch_up_and_lose_none() -> Result<()> {
    const PAIRS: u16 = 64;
    let mut rig = Rig::with(Config::pair(Backend::AfXdp), |_| {})?;
    let mut control = rig.control()?;
    let name = |way: &str, at: u16| format!("{way}{at}");
    for at in 0..PAIRS {
        let mut spec = receive(&name("in", at), Raster::SMALL, 6000 + at);
        (spec.quota, spec.max_attachments) = (Some(1), Some(1));
        control.create(&spec)?;
    }
    for at in 0..PAIRS {
        // Slow enough for a busy machine: 64 × 10 frames a second.
        let raster = Raster::new(320, 180, 10, 8);
        control.create(&send(&name("out", at), raster, 6000 + at, Source::Pattern))?;
    }
    for held_up in 0..3 {
        until("all to send", Deadline::seconds(30), || {
            for at in 0..PAIRS {
                if control.show(name("out", at))?.counters.frames_sent <= 3 * held_up {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        })?;
        // What is tested: a poller that does not get to run for so long.
        rig.daemon()?.running().signal(Signal::STOP)?;
        std::thread::sleep(Duration::from_millis(300));
        rig.daemon()?.running().signal(Signal::CONT)?;
    }
    let mut sent = 0;
    for at in 0..PAIRS {
        let name = name("out", at);
        control.stop(&name)?;
        sent += control.destroy_wait(&name)?.frames.packets;
    }
    wait_for("all to arrive", 20, || {
        let (mut came, mut lost) = (0, 0);
        for at in 0..PAIRS {
            let counters = control.show(name("in", at))?.counters;
            (came, lost) = (came + counters.packets, lost + counters.packets_lost);
        }
        assert_eq!(lost, 0, "{came} of {sent} came");
        Ok(came == sent)
    })
}
