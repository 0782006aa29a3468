//! Sessions through FFmpeg and GStreamer, as their users run them.

mod codestreams;
mod data;
mod ffmpeg;
pub(crate) mod gstreamer;
mod interlaced;
mod pipe_ends;
pub(crate) mod playing;
mod sound;

use std::collections::BTreeSet;
use std::process::{Child, Command, Output, Stdio};
use std::thread::JoinHandle;

use anyhow::{Context as _, Result, ensure};
use onair::{Picture, PixelFormat, Session, Timeout};
use onair_api::Source;
use onair_essence::video::pattern::{PatternWriter, verify};
use onair_essence::video::{Depth, FrameRate, Sampling, Scan, VideoFormat};
use onair_tests::{Config, Control, Raster, Rig, Running, program, send};
use serde_json::Value;

const RASTER: Raster = Raster::new(320, 180, 50, 10);
const PLANES: PixelFormat = PixelFormat::Yuv422p10;

fn picture() -> Picture {
    let ten = (Sampling::YCbCr422, Depth::Ten);
    Picture::new(RASTER.width, RASTER.height, ten.0, ten.1).expect("whole pixel groups")
}

/// A daemon with a session `cam` that receives what a session `out` of `source` sends.
pub(crate) fn lab(source: Source) -> Result<(Rig, Control)> {
    let (rig, mut control) = Rig::with_control()?;
    control.ample("cam", RASTER, 5000)?;
    control.create(&send("out", RASTER, 5000, source))?;
    Ok((rig, control))
}

/// Frames 0 to `count` of the pattern, in `format`.
fn pattern(format: PixelFormat, count: u64) -> Result<Vec<u8>> {
    let rate = FrameRate::new(RASTER.rate, 1)?;
    let size = (RASTER.width, RASTER.height);
    let ten = (Sampling::YCbCr422, Depth::Ten);
    let video = VideoFormat::of(size, ten, Scan::Progressive, rate)?;
    let (mut writer, picture) = (PatternWriter::new(&video)?, picture());
    let mut all = Vec::new();
    for number in 0..count {
        let mut pgroups = vec![0; RASTER.frame_bytes()];
        writer.start(number);
        writer.fill(&mut pgroups);
        let begin = all.len();
        all.resize(begin + format.planes(&picture).bytes, 0);
        onair_pixels::unpack(&picture, &pgroups, format, &mut all[begin..])?;
    }
    Ok(all)
}

/// The numbers of whole frames of the pattern in `format`, each checked bit for bit.
fn numbers(format: PixelFormat, pixels: &[u8]) -> Result<Vec<u64>> {
    let picture = picture();
    let frames = pixels.chunks_exact(format.planes(&picture).bytes);
    ensure!(
        frames.remainder().is_empty(),
        "{} bytes more",
        frames.remainder().len()
    );
    let number = |frame: &[u8]| -> Result<u64> {
        let mut pgroups = vec![0; RASTER.frame_bytes()];
        onair_pixels::pack(&picture, format, frame, &mut pgroups)?;
        Ok(verify(&pgroups)?)
    };
    frames.map(number).collect()
}

/// Numbers that are more from one to the next.
fn rising(numbers: &[u64]) -> Result<()> {
    ensure!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    Ok(())
}

/// Takes frames of the pattern from `cam` until number `last` is there; all their numbers.
fn taker(rig: &Rig, last: u64) -> Result<JoinHandle<Result<BTreeSet<u64>>>> {
    let session = Session::attach(Config::attach_socket(rig.stage()), "cam")?;
    Ok(std::thread::spawn(move || -> Result<_> {
        let mut seen = BTreeSet::new();
        while !seen.contains(&last) {
            let buffer = session.buffer_get(Timeout::millis(20_000))?;
            ensure!(buffer.status().is_complete(), "{buffer:?}");
            seen.insert(verify(&buffer)?);
        }
        Ok(seen)
    }))
}

/// `onairctl --json pipe`, with nothing on its standard files.
pub(crate) fn pipe(rig: &Rig, arguments: &str) -> Result<Command> {
    let mut command = Command::new(program("onairctl")?);
    command.env("ONAIR_ATTACH", Config::attach_socket(rig.stage()));
    command
        .args(["--json", "pipe"])
        .args(arguments.split_whitespace());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    Ok(command)
}

pub(crate) fn ffmpeg(arguments: &str) -> Command {
    let mut command = Command::new("ffmpeg");
    command
        .args(["-v", "error", "-nostdin"])
        .args(arguments.split_whitespace());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Its standard output, if it succeeds.
pub(crate) fn succeeded(output: Output) -> Result<Vec<u8>> {
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{}: {error}", output.status);
    Ok(output.stdout)
}

/// The exit code of `onairctl pipe`, its summary, and what it said of a failure.
pub(crate) fn ended(child: Child) -> Result<(i32, Value, String)> {
    let output = child.wait_with_output()?;
    let code = output.status.code().context("ended by a signal")?;
    let error = String::from_utf8(output.stderr)?;
    let (summary, said) = match error.split_once("\n}\n") {
        Some((summary, said)) => (format!("{summary}\n}}"), said.to_owned()),
        None => (String::from_utf8_lossy(&output.stdout).into_owned(), error),
    };
    Ok((
        code,
        serde_json::from_str(&summary).unwrap_or_default(),
        said,
    ))
}

/// A process that is killed if the test fails.
fn running(name: &str, command: &mut Command) -> Result<Running> {
    Running::new(name, command.spawn().with_context(|| name.to_owned())?)
}

#[test]
fn essences_through_gstreamer_then_each_unit_as_it_was_sent() -> Result<()> {
    let rig = Rig::pair()?;
    sound::source(&rig)?;
    sound::sink(&rig)?;
    data::source(&rig)?;
    data::parts(&rig)?;
    data::sink(&rig)?;
    codestreams::source(&rig)?;
    codestreams::sink(&rig)
}
