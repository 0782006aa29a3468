//! Programs in C, in Python and of GStreamer, each as filler and as reader.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};
use onair_tests::{Control, Running, wait_for};

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
