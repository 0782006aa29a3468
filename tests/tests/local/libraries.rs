//! Programs in C, in Python and of GStreamer, each as filler and as reader.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair::{Depth, Picture, PixelFormat, Sampling};
use onair_pixels::pack;
use onair_tests::{Control, Raster, Rig, Running, wait_for};

use super::{AMPLE, local};
use crate::capi::Lab;
use crate::{python, tools};

const FRAMES: &str = "20";
/// Of a filler: it does not end by itself.
const ENDLESS: &str = "1000000000";

/// Starts `filler`, which creates `mix`, reads that with each library, and ends the filler.
fn read_by_each(lab: &Lab, control: &mut Control, filler: &mut Command) -> Result<Vec<String>> {
    let filler = filler.stdout(Stdio::null()).stderr(Stdio::inherit());
    let mut filler = Running::new("the filler", filler.spawn()?)?;
    wait_for("a session that is filled", 60, || {
        ensure!(filler.ended()?.is_none(), "the filler has ended");
        Ok(control
            .show("mix")
            .is_ok_and(|it| it.counters.frames_complete > 0))
    })?;
    let example = format!("{}/examples/receive.py", python::PACKAGE);
    let said = vec![
        lab.example("receive.c", &["mix", FRAMES])?,
        python::python(&lab.rig, &[&example, "mix", FRAMES])?,
    ];
    let (path, to) = tools::gstreamer::file(&lab.rig, "mix.raw")?;
    tools::gstreamer::plays(
        &lab.rig,
        &format!("onairsrc session=mix num-buffers={FRAMES} ! filesink location={to}"),
    )?;
    ensure!(fs::metadata(&path)?.len() > 0);
    for said in &said {
        ensure!(said.lines().count() == 20, "{said}");
        ensure!(
            !said.contains("incomplete") && !said.contains("missing"),
            "{said}"
        );
    }
    ensure!(filler.ended()?.is_none(), "the filler has ended");
    filler.kill()?;
    control.stop("mix")?;
    control.destroy_wait("mix")?;
    Ok(said)
}

#[test]
fn each_library_fills_a_session_then_each_reads_it() -> Result<()> {
    let lab = Lab::open()?;
    let mut control = lab.rig.control()?;
    let spec = serde_json::to_string(&local("mix", AMPLE))?;
    let mut in_c = lab.example_command("send.c")?;
    in_c.args([&spec, ENDLESS]);
    let example = format!("{}/examples/send.py", python::PACKAGE);
    let pipeline = "videotestsrc ! video/x-raw,format=UYVY,width=320,height=180,framerate=50/1 ! \
                    onairsink session=mix local=true";
    let fillers: [Command; 3] = [
        in_c,
        python::command(&lab.rig, &[&example, &spec, ENDLESS])?,
        tools::gstreamer::tool(&lab.rig, "gst-launch-1.0", pipeline)?,
    ];
    for (mut filler, first) in fillers.into_iter().zip([Some("80"), None, None]) {
        let said = read_by_each(&lab, &mut control, &mut filler)?;
        for line in said.iter().flat_map(|it| it.lines()) {
            let is_right = first.is_none_or(|it| line.contains(&format!("the first one {it}")));
            ensure!(is_right, "{line}");
        }
    }
    Ok(())
}

/// The daemon makes no layouts of a local session: the element does.
#[test]
fn gstreamer_asks_ten_bits_for_v210_then_it_converts() -> Result<()> {
    const RASTER: Raster = Raster::new(320, 180, 50, 10);
    const SOURCE: &str = "videotestsrc pattern=circular ! video/x-raw,format=v210,width=320,height=180,framerate=50/1";
    let (rig, mut control) = Rig::with_control()?;
    control.create(&onair_stage::local("mix", RASTER))?;
    let (expected, to) = tools::gstreamer::file(&rig, "expected.v210")?;
    let one = SOURCE.replace(" !", " num-buffers=1 !");
    tools::gstreamer::plays(&rig, &format!("{one} ! filesink location={to}"))?;
    let line = format!("{SOURCE} ! onairsink session=mix");
    let mut filler = tools::gstreamer::tool(&rig, "gst-launch-1.0", &line)?;
    let filler = filler.stdout(Stdio::null()).stderr(Stdio::null());
    let filler = Running::new("the filler", filler.spawn()?)?;
    let (found, to) = tools::gstreamer::file(&rig, "found.v210")?;
    let line = "onairsrc session=mix num-buffers=3 ! video/x-raw,format=v210";
    tools::gstreamer::plays(&rig, &format!("{line} ! filesink location={to}"))?;
    drop(filler);
    let picture = Picture::new(RASTER.width, RASTER.height, Sampling::YCbCr422, Depth::Ten);
    let picture = picture.context("whole pixel groups")?;
    // Of a line's last bytes none is a pixel's.
    let pgroups = |frame: &[u8]| -> Result<Vec<u8>> {
        let mut pgroups = vec![0; RASTER.frame_bytes()];
        pack(&picture, PixelFormat::V210, frame, &mut pgroups)?;
        Ok(pgroups)
    };
    let expected = pgroups(&fs::read(expected)?)?;
    let found = fs::read(found)?;
    let frames = found.chunks(PixelFormat::V210.planes(&picture).bytes);
    ensure!(frames.len() == 3, "{} bytes", found.len());
    for frame in frames {
        ensure!(pgroups(frame)? == expected, "another picture");
    }
    Ok(())
}
