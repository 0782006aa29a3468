//! One frame of a session as a picture: by the tool, and over HTTP.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_api::Source;
use onair_tests::{Raster, Rig, onairctl, send};

/// The picture's red, green and blue, as FFmpeg reads it.
fn pixels(path: &str) -> Result<Vec<u8>> {
    let mut read = Command::new("ffmpeg");
    read.args(["-v", "error", "-nostdin", "-i", path]);
    read.args(["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]);
    let done = read.output().context("ffmpeg")?;
    ensure!(done.status.success(), "{done:?}");
    Ok(done.stdout)
}

#[test]
fn snapshot_of_a_session_then_ffmpeg_reads_it_and_place_is_free() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let path = rig.stage().directory().join("cam.png");
    let path = path.to_str().context("a path of UTF-8")?;
    let raster = Raster::new(320, 180, 60, 10);
    let (cam, out) = ("cam", "out");
    control.ample(cam, raster, 5000)?;
    control.create(&send(out, raster, 5000, Source::Pattern))?;
    let snapshot = |session: &str, path: &str| {
        onairctl(&rig, &format!("session snapshot {session} -o {path}"))
    };
    let done = snapshot(cam, path)?;
    ensure!(done.code == 0 && done.out.contains("320x180"), "{done:?}");
    let first = pixels(path)?;
    assert_eq!(first.len(), 320 * 180 * 3);
    let colours: std::collections::BTreeSet<_> = first.chunks(3).collect();
    ensure!(colours.len() > 8, "{colours:?}");
    // The pattern moves.
    let done = snapshot(cam, path)?;
    ensure!(done.code == 0, "{done:?}");
    ensure!(pixels(path)? != first);
    assert!(control.show(cam)?.attachments.is_empty());

    let sends = snapshot(out, path)?;
    ensure!(sends.code == 0, "{sends:?}");
    let nowhere = snapshot(cam, "/nowhere/cam.png")?;
    ensure!(nowhere.code == 2, "{nowhere:?}");
    control.stop(cam)?;
    let stopped = snapshot(cam, path)?;
    ensure!(
        stopped.code == 1 && stopped.err.contains("start it"),
        "{stopped:?}"
    );
    let none = onairctl(&rig, "session snapshot none -o x.png")?;
    ensure!(none.code == 5, "{none:?}");
    Ok(())
}
