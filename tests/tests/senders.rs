//! A sender that is not ours: what GStreamer sent is what a client gets, frame by frame.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use anyhow::{Context as _, Result, ensure};
use onair_api::SpecDocument;
use onair_tests::{
    Deadline, GStreamer, QUOTA, Raster, Rig, Viewer, frame_hashes, receive, resolve,
};

const OURS: &str = "10.77.0.2";
const UDP: u16 = 5004;

/// GStreamer sends `frames` frames; each is compared with what it says that it sent.
fn received_is_sent(rig: &Rig, raster: Raster, frames: u32) -> Result<()> {
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        quota: Some(QUOTA),
        ..receive("in", raster, UDP)
    })?;
    control.start("in")?;
    let mut viewer = Viewer::start(rig, "in")?;
    resolve_ours(rig)?;
    let sender = GStreamer::start(rig.stage(), raster, frames, (OURS, UDP))?;
    let file = sender.finish(Deadline::seconds(60))?;
    let came = viewer.wait(frames.into(), Deadline::seconds(20));
    came.with_context(|| format!("{raster:?}: {:?}", control.show("in").map(|it| it.counters)))?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let counters = control.destroy_wait("in")?.frames;

    let sent = frame_hashes(&file, raster.frame_bytes())?;
    ensure!(sent.len() == frames as usize, "{} frames sent", sent.len());
    let incomplete: Vec<_> = seen.iter().filter(|frame| !frame.complete).collect();
    assert!(incomplete.is_empty(), "{counters:?}: {incomplete:#?}");
    let received: Vec<_> = seen.iter().map(|frame| frame.hash).collect();
    assert!(
        received == sent,
        "{raster:?}: the frames are not those that were sent: {counters:?}"
    );
    let trouble = (
        counters.frames_incomplete,
        counters.packets_lost,
        counters.packets_late,
        counters.packets_malformed.len(),
    );
    assert_eq!(trouble, (0, 0, 0, 0), "{counters:?}");
    for pair in seen.windows(2) {
        let step = pair[1].rtp_timestamp.wrapping_sub(pair[0].rtp_timestamp);
        // GStreamer rounds: a sixtieth of a second is 1499 to 1501 ticks.
        assert!(step.abs_diff(90_000 / raster.rate) <= 1, "{step} ticks");
    }
    Ok(())
}

/// Our hardware address, as we told it to the kernel when it asked.
fn resolve_ours(rig: &Rig) -> Result<()> {
    let health = rig.control()?.health()?;
    assert_eq!(resolve(rig.stage(), OURS)?, health.dataplane.ports[0].mac);
    Ok(())
}

#[test]
fn gstreamer__sends_10_bits_in_two_sizes__then_each_frame_arrives_once_and_in_order() -> Result<()>
{
    let rig = Rig::beside_the_kernel()?;
    received_is_sent(&rig, Raster::new(320, 180, 60, 10), 120)?;
    received_is_sent(&rig, Raster::new(1280, 720, 25, 10), 50)
}

#[test]
fn gstreamer__sends_8_bits_in_two_sizes__then_each_frame_arrives_once_and_in_order() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    received_is_sent(&rig, Raster::new(640, 360, 50, 8), 100)?;
    received_is_sent(&rig, Raster::new(1280, 720, 25, 8), 50)
}
