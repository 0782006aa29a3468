//! Each essence out of one port and into another.

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_tests::{Backend, Deadline, Raster, Viewer, receive, send};

use super::{GROUP, of_group, pair};

const UDP: u16 = 5004;

/// Frames of a pattern to the group, each with its number.
fn video(backend: Backend) -> Result<()> {
    let rig = pair(backend)?;
    let mut control = rig.control()?;
    let view = control.create(&of_group(receive("in", Raster::SMALL, UDP), UDP))?;
    assert_eq!(view.group.context("a group")?.group, GROUP);
    let mut viewer = Viewer::start(&rig, "in")?;
    let out = send("out", Raster::SMALL, UDP, Source::Pattern);
    control.create(&of_group(out, UDP))?;
    viewer.wait(20, Deadline::seconds(40))?;
    control.await_view("in", "the group", |it| {
        it.group.as_ref().is_some_and(|it| it.joined)
    })?;
    control.end("out")?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let mut whole = seen.iter().filter(|frame| frame.complete);
    assert!(whole.all(|it| it.pattern_number() == Some(it.number)));
    control.destroy_wait("in").map(drop)
}

#[test]
fn video_to_a_group_over_af_xdp_arrives() -> Result<()> {
    video(Backend::AfXdp)
}
