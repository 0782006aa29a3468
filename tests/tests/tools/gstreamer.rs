//! The plug-in of GStreamer, in pipelines of `gst-launch-1.0`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair::PixelFormat;
use onair_api::{Source, SpecDocument};
use onair_tests::{Config, Control, Raster, Rig, Running, program, receive, send, wait_for};

use crate::conversion::converted::convert;

use super::{PLANES, RASTER, lab, numbers, pattern, rising, running, taker};

// Cargo builds the plug-in for this.
use gstonair as _;

/// A tool of GStreamer that sees the plug-in, faults of which are fatal.
pub(crate) fn tool(rig: &Rig, name: &str, arguments: &str) -> Result<Command> {
    let folder = rig.stage().directory().join("plugins");
    if !folder.exists() {
        fs::create_dir(&folder)?;
        fs::copy(
            program("deps/libgstonair.so")?,
            folder.join("libgstonair.so"),
        )?;
    }
    let mut command = Command::new(name);
    command.env("ONAIR_ATTACH", Config::attach_socket(rig.stage()));
    command.env("GST_PLUGIN_PATH", &folder);
    command.env("GST_REGISTRY", rig.stage().directory().join("registry.bin"));
    command
        .env("G_DEBUG", "fatal-criticals")
        .env("GST_TRACERS", "leaks(check-refs=false)");
    command
        .env("GST_DEBUG", "GST_TRACER:7")
        .env("GST_DEBUG_NO_COLOR", "1");
    command.args(arguments.split_whitespace());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

/// Runs a pipeline to its end: its exit code, and what it said. Nothing may leak. After a minute it is interrupted: of
/// thousands one slept on, in its main loop, with the error of an element in its bus.
pub(super) fn launched(rig: &Rig, pipeline: &str) -> Result<(i32, String)> {
    let line = format!("--signal=INT 60 gst-launch-1.0 {pipeline}");
    let output = tool(rig, "timeout", &line)?.output()?;
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    let leaks = |line: &&str| line.contains("object-alive, ") && !line.contains("format string");
    let leaked: Vec<_> = said.lines().filter(leaks).collect();
    ensure!(leaked.is_empty(), "{pipeline}: {leaked:#?}");
    Ok((
        output.status.code().context("ended by a signal")?,
        said.into_owned(),
    ))
}

pub(crate) fn plays(rig: &Rig, pipeline: &str) -> Result<()> {
    let (code, said) = launched(rig, pipeline)?;
    ensure!(code == 0, "{pipeline}: {code}: {said}");
    Ok(())
}

pub(crate) fn file(rig: &Rig, name: &str) -> Result<(PathBuf, String)> {
    let path = rig.stage().directory().join(name);
    let text = path.to_str().context("a path of UTF-8")?.to_owned();
    Ok((path, text))
}

/// Each element has its properties.
fn inspected(rig: &Rig) -> Result<()> {
    for (element, properties) in [
        (
            "onairsrc",
            &[
                "session",
                "socket",
                "reconnect",
                "max-loans",
                "Rank                     none",
            ][..],
        ),
        (
            "onairsink",
            &[
                "session",
                "socket",
                "reconnect",
                "max-lateness",
                "local",
                "I422_10LE",
            ],
        ),
    ] {
        let told = tool(rig, "gst-inspect-1.0", element)?.output()?;
        let (out, error) = (
            String::from_utf8(told.stdout)?,
            String::from_utf8(told.stderr)?,
        );
        ensure!(told.status.success() && !error.contains("WARN"), "{error}");
        for property in properties {
            ensure!(out.contains(property), "{property}: {out}");
        }
    }
    Ok(())
}

#[test]
fn source_into_files_then_every_bit_is_the_senders() -> Result<()> {
    let (rig, mut control) = lab(Source::Pattern)?;
    let (path, to) = file(&rig, "a.raw")?;
    // There is a converted session of the first of them. The element makes the second one.
    convert(&mut control, "cam-v210", "v210")?;
    for (caps, format) in [
        ("", PixelFormat::V210),
        ("! video/x-raw,format=I422_10LE", PLANES),
    ] {
        plays(
            &rig,
            &format!("onairsrc session=cam num-buffers=20 {caps} ! filesink location={to}"),
        )?;
        let numbers = numbers(format, &fs::read(&path)?)?;
        assert_eq!(numbers.len(), 20, "{caps}");
        rising(&numbers)?;
    }
    let of_both = control.end("cam-v210")?.counts.attachments;
    ensure!(of_both >= 2, "the converter alone: {of_both}");
    // The bytes of the buffers themselves.
    control.receiver("small", 5002)?;
    control.pattern("small-out", 5002)?;
    plays(
        &rig,
        &format!("onairsrc session=small num-buffers=20 ! filesink location={to}"),
    )?;
    let bytes = fs::read(&path)?;
    let frames = bytes.chunks_exact(Raster::SMALL.frame_bytes());
    let small = frames
        .map(onair_essence::video::pattern::verify)
        .collect::<Result<Vec<_>, _>>()?;
    assert_eq!(small.len(), 20);
    rising(&small)?;
    // It holds 100 frames, more than any quota: without copies it would wait for ever.
    let pipeline = "onairsrc session=cam num-buffers=110 ! queue max-size-buffers=200 max-size-bytes=0 \
                    max-size-time=0 min-threshold-buffers=100 ! fakesink";
    plays(&rig, pipeline)?;
    control.create(&send("one-out", RASTER, 5001, Source::Pattern))?;
    control.create(&SpecDocument {
        quota: Some(1),
        ..receive("one", RASTER, 5001)
    })?;
    // The sink keeps its last buffer.
    plays(
        &rig,
        &format!("onairsrc session=one num-buffers=20 ! filesink location={to}"),
    )?;
    let numbers = numbers(PixelFormat::V210, &fs::read(&path)?)?;
    assert_eq!(numbers.len(), 20);
    rising(&numbers)?;
    wait_for("the clients to be gone", 20, || {
        Ok(control.show("cam")?.attachments.is_empty()
            && control.show("small")?.attachments.is_empty())
    })
}

#[test]
fn sink_of_known_frames_then_every_bit_arrives() -> Result<()> {
    let (rig, _control) = lab(Source::Client)?;
    inspected(&rig)?;
    let (path, from) = file(&rig, "a.raw")?;
    for (format, name) in [(PLANES, "i422-10le"), (PixelFormat::V210, "v210")] {
        let taken = taker(&rig, 19)?;
        fs::write(&path, pattern(format, 20)?)?;
        let (width, height, rate) = (RASTER.width, RASTER.height, RASTER.rate);
        plays(
            &rig,
            &format!(
                "filesrc location={from} ! rawvideoparse format={name} width={width} height={height} \
                 framerate={rate}/1 ! onairsink session=out sync=false"
            ),
        )?;
        let seen = taken.join().expect("it does not panic")?;
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            Vec::from_iter(0..20),
            "{name}"
        );
    }
    // At the clock's pace.
    plays(&rig, "videotestsrc num-buffers=10 ! onairsink session=out")?;
    says_why(&rig)
}

/// Sessions that do not fit: the pipeline says why.
fn says_why(rig: &Rig) -> Result<()> {
    for (pipeline, what) in [
        ("onairsrc session=none ! fakesink", "there is no session"),
        ("onairsrc session=out ! fakesink", "sends: use onairsink"),
        (
            "videotestsrc ! onairsink session=cam",
            "receives: use onairsrc",
        ),
        (
            "onairsrc session=cam socket=/nowhere ! fakesink",
            "no daemon answers",
        ),
        (
            "onairsrc session=cam ! video/x-raw,format=RGB ! fakesink",
            "takes nothing that the session has",
        ),
        (
            "onairsrc session=cam ! video/x-raw,interlace-mode=interleaved ! fakesink",
            "the session is progressive",
        ),
        (
            "videotestsrc ! video/x-raw,interlace-mode=interleaved ! onairsink session=out",
            "the pipeline's video is interlaced",
        ),
        (
            "onairsrc session=cam ! fakesink onairsrc session=cam ! fakesink",
            "one onairsrc, and a tee",
        ),
    ] {
        let (code, said) = launched(rig, pipeline)?;
        ensure!(
            code != 0 && said.contains(what),
            "{pipeline}: {code}: {said}"
        );
        let mut errors = said.lines().filter(|it| it.starts_with("ERROR: from"));
        ensure!(errors.any(|it| it.contains(what)), "{pipeline}: {said}");
    }
    Ok(())
}

fn attached(control: &mut Control) -> Result<()> {
    wait_for("the source's client", 30, || {
        Ok(control
            .show("cam")
            .is_ok_and(|it| !it.attachments.is_empty()))
    })
}

fn playing(rig: &Rig, pipeline: &str) -> Result<Running> {
    running(
        "gst-launch-1.0",
        &mut tool(rig, "gst-launch-1.0", pipeline)?,
    )
}

#[test]
fn daemon_killed_then_an_error_or_with_reconnect_frames_again() -> Result<()> {
    error_or_again(|rig, _| {
        rig.kill_daemon()?;
        rig.start_daemon()?;
        let mut control = rig.control()?;
        control.create(&send("out", RASTER, 5000, Source::Pattern))?;
        Ok(control)
    })
}

/// Two pipelines, of which one wants to attach again; `end` ends their session.
fn error_or_again(end: impl FnOnce(&mut Rig, Control) -> Result<Control>) -> Result<()> {
    let (mut rig, mut control) = lab(Source::Pattern)?;
    let (path, to) = file(&rig, "a.raw")?;
    let again = format!(
        "onairsrc session=cam reconnect=true ! filesink buffer-mode=unbuffered location={to}"
    );
    let mut again = playing(&rig, &again)?;
    let mut ends = playing(&rig, "onairsrc session=cam ! fakesink")?;
    wait_for("both clients", 30, || {
        Ok(control
            .show("cam")
            .is_ok_and(|it| it.attachments.len() == 2))
    })?;
    let mut control = end(&mut rig, control)?;
    let status = ends.wait(onair_tests::Deadline::seconds(20))?;
    let said = std::io::read_to_string(ends.child().stderr.take().context("what it said")?)?;
    ensure!(
        !status.success() && said.contains("ERROR"),
        "{status}: {said}"
    );

    let bytes = fs::metadata(&path)?.len();
    control.ample("cam", RASTER, 5000)?;
    attached(&mut control)?;
    wait_for("frames of the new session", 30, || {
        Ok(fs::metadata(&path)?.len() > bytes + 1_000_000)
    })?;
    ensure!(again.ended()?.is_none(), "it has ended");
    Ok(())
}
