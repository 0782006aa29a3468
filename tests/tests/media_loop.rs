//! Frames out of one port and into another: none lost, none wrong, in order.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_tests::{Backend, Circuit, Config, Deadline, Raster, Rig};

/// Sends the pattern until `frames` frames of it have come, and looks at each.
fn pattern(rig: &Rig, raster: Raster, frames: u64) -> Result<()> {
    let mut circuit = Circuit::start(rig, raster, Source::Pattern)?;
    circuit.viewer.wait(frames, Deadline::seconds(40))?;
    let (out, seen) = circuit.end().with_context(|| format!("{raster:?}"))?;
    assert!(seen.len() as u64 >= frames && out.frames_sent >= frames);
    for frame in &seen {
        assert!(frame.complete, "{raster:?}: {frame:?}");
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

fn over(backend: Backend) -> Result<()> {
    let rig = Rig::with(Config::pair(backend), |_| {})?;
    assert_eq!(
        rig.control()?.health()?.dataplane.backend,
        backend.name(),
        "no other backend will do"
    );
    pattern(&rig, Raster::SMALL, 60)
}

#[test]
fn pattern__over_af_xdp_in_two_rasters_and_depths__then_none_is_lost_or_wrong() -> Result<()> {
    let rig = Rig::pair()?;
    assert_eq!(rig.control()?.health()?.dataplane.backend, "af_xdp");
    for raster in [
        Raster::new(320, 180, 60, 10),
        Raster::new(320, 180, 60, 8),
        Raster::new(1280, 720, 25, 8),
        Raster::new(1280, 720, 25, 10),
    ] {
        pattern(&rig, raster, 100)?;
    }
    Ok(())
}

#[test]
fn pattern__over_af_packet__then_none_is_lost_or_wrong() -> Result<()> {
    over(Backend::AfPacket)
}

#[test]
fn pattern__over_a_ring__then_none_is_lost_or_wrong() -> Result<()> {
    over(Backend::Ring)
}
