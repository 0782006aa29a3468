//! Frames out of one port and into another: none lost, none wrong, in order.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use anyhow::{Context as _, Result};
use onair_api::{Certificate, Source, SpecDocument};
use onair_tests::{
    Backend, Config, Control, Deadline, Raster, Rig, Seen, Viewer, receive, send, until,
};

const UDP: u16 = 5004;
/// Frames that a client may have at a time: more than a second of them, so that a busy machine
/// makes no client too slow.
const QUOTA: u32 = 64;

/// A session `in` with a viewer on it, and a session `out` that sends to it.
struct Loop {
    control: Control,
    viewer: Viewer,
}

impl Loop {
    /// Both are started.
    fn start(rig: &Rig, raster: Raster, source: Source) -> Result<Self> {
        let mut control = rig.control()?;
        control.create(&SpecDocument {
            quota: Some(QUOTA),
            ..receive("in", raster, UDP)
        })?;
        control.start("in")?;
        let viewer = Viewer::start(rig, "in")?;
        control.create(&send("out", raster, UDP, source))?;
        control.start("out")?;
        Ok(Self { control, viewer })
    }

    /// Waits until `in` has received whatever `out` has sent. The certificate of `out`, whose
    /// counts are final, and what the viewer saw of all that.
    fn end(mut self) -> Result<(Certificate, Vec<Seen>)> {
        self.control.stop("out")?;
        let out = self.control.destroy_wait("out")?;
        until(
            "what was sent to be received",
            Deadline::seconds(20),
            || {
                let counters = self.control.show("in")?.counters;
                Ok((counters.packets >= out.frames.packets).then_some(()))
            },
        )?;
        let seen = self
            .viewer
            .finish(&mut self.control, Deadline::seconds(20))?;
        let received = self.control.destroy_wait("in")?;
        let counters = &received.frames;
        assert_eq!(counters.frames_complete, out.frames.frames_sent);
        assert_eq!(counters.frames_incomplete, 0, "{counters:?}");
        assert_eq!(counters.packets, out.frames.packets, "{counters:?}");
        assert_eq!(counters.packets_lost, 0, "{counters:?}");
        assert_eq!(counters.frames_no_buffer, 0, "{counters:?}");
        assert_eq!(
            seen.len() as u64,
            counters.frames_complete - counters.frames_dropped_slow
        );
        Ok((out, seen))
    }
}

/// Sends the pattern until `frames` frames of it have come, and looks at each.
fn pattern_loop(rig: &Rig, raster: Raster, frames: u64) -> Result<()> {
    let mut one = Loop::start(rig, raster, Source::Pattern)?;
    one.viewer.wait(frames, Deadline::seconds(40))?;
    let (out, seen) = one.end().with_context(|| format!("{raster:?}"))?;
    assert!(seen.len() as u64 >= frames && out.frames.frames_sent >= frames);
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

#[test]
fn pattern__over_af_xdp_in_two_rasters_and_depths__then_none_is_lost_or_wrong() -> Result<()> {
    let rig = Rig::pair()?;
    for raster in [
        Raster::new(320, 180, 60, 10),
        Raster::new(320, 180, 60, 8),
        Raster::new(1280, 720, 25, 8),
        Raster::new(1280, 720, 25, 10),
    ] {
        pattern_loop(&rig, raster, 100)?;
    }
    Ok(())
}
