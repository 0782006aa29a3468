//! A sender that is not ours: what GStreamer sent is what a client gets, frame by frame.

use anyhow::Result;
use onair_tests::{Pixels, Raster, Rig, WholeFlow};

fn received_is_sent(rig: &Rig, raster: Raster, frames: u32) -> Result<()> {
    received_as_sent(rig, (raster, Pixels::of(raster)), frames)
}

fn received_as_sent(rig: &Rig, format: (Raster, Pixels), frames: u32) -> Result<()> {
    let counters = WholeFlow::start_as(rig, format, frames, |_| {})?.finish()?;
    assert_eq!(counters.packets_late, 0, "{counters:?}");
    assert_eq!(counters.packets_duplicate, 0, "{counters:?}");
    assert!(counters.packets_malformed.is_empty(), "{counters:?}");
    Ok(())
}

#[test]
fn gstreamer_sends_each_sampling_and_depth_then_each_frame_once() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    received_is_sent(&rig, Raster::new(320, 180, 60, 10), 60)?;
    received_is_sent(&rig, Raster::new(1280, 720, 25, 8), 25)?;
    received_as_sent(&rig, (Raster::new(320, 180, 60, 8), Pixels::Rgb), 60)?;
    received_as_sent(&rig, (Raster::new(640, 360, 25, 8), Pixels::I420), 25)
}
