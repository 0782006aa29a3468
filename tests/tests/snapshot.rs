//! One frame of a session as a picture.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair_tests::{Raster, Rig, onairctl, send};
use onair_types::Source;

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
fn snapshot_of_a_session_then_a_picture_that_ffmpeg_reads_and_the_place_is_free_again() -> Result<()>
{
    let (rig, mut control) = Rig::with_control()?;
    let path = rig.stage().directory().join("cam.png");
    let path = path.to_str().context("a path of UTF-8")?;
    for (at, depth) in [8, 10].into_iter().enumerate() {
        let raster = Raster::new(320, 180, 60, depth);
        let (cam, out, udp) = (
            format!("cam{at}"),
            format!("out{at}"),
            5000 + u16::try_from(at)?,
        );
        control.ample(&cam, raster, udp)?;
        control.create(&send(&out, raster, udp, Source::Pattern))?;
        let attach = rig.attach_socket();
        let snapshot = |session: &str, path: &str| {
            let attach = attach.display();
            onairctl(
                &rig,
                &format!("session snapshot {session} -o {path} --attach-socket {attach}"),
            )
        };
        let done = snapshot(&cam, path)?;
        ensure!(done.code == 0 && done.out.contains("320x180"), "{done:?}");
        let first = pixels(path)?;
        assert_eq!(first.len(), 320 * 180 * 3);
        let colours: std::collections::BTreeSet<_> = first.chunks(3).collect();
        ensure!(colours.len() > 8, "{colours:?}");
        // The pattern moves.
        let done = snapshot(&cam, path)?;
        ensure!(done.code == 0, "{done:?}");
        ensure!(pixels(path)? != first);
        assert!(control.show(&cam)?.attachments.is_empty());

        let sends = snapshot(&out, path)?;
        ensure!(sends.code == 2 && sends.err.contains("sends"), "{sends:?}");
        control.stop(&cam)?;
        let stopped = snapshot(&cam, path)?;
        ensure!(
            stopped.code == 1 && stopped.err.contains("start it"),
            "{stopped:?}"
        );
        let nowhere = snapshot(&cam, "/nowhere/cam.png")?;
        ensure!(nowhere.code != 0, "{nowhere:?}");
    }
    let none = onairctl(
        &rig,
        "session snapshot none -o x.png --attach-socket /nowhere",
    )?;
    ensure!(none.code == 3, "{none:?}");
    Ok(())
}
