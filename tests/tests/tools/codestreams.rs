//! Sessions of JPEG XS in pipelines of GStreamer.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair_api::Source;
use onair_essence::jpeg_xs::codestream::UnitHeader;
use onair_tests::{Deadline, Rig, blocked, wait_for};
use serde_json::{Value, json};

use super::gstreamer::{file, launched, plays, tool};
use super::running;
use crate::jpeg_xs::{attach, into_b, jpeg_xs, next, out_of_a, packets, pattern, socket};

/// Frames or fields that pass.
const UNITS: usize = 12;

/// Frames and fields, and how caps say so.
fn kinds() -> [(Value, &'static str); 2] {
    [
        (json!({}), "alignment=frame,interlace-mode=progressive"),
        (
            json!({"scan": "interlaced"}),
            "alignment=picture,interlace-mode=fields",
        ),
    ]
}

fn caps(mode: &str) -> String {
    format!(
        "image/x-jxsc,{mode},sampling=YCbCr-4:2:2,depth=10,width=1280,height=720,framerate=25/1"
    )
}

/// A source writes the codestreams of the pattern.
pub(super) fn source(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let (path, to) = file(rig, "codestreams")?;
    for (fields, mode) in kinds() {
        let document = jpeg_xs(&fields);
        let pattern = pattern(&document);
        control.create(&into_b(&document, 5004))?;
        control.create(&out_of_a(&document, 5004, Source::Pattern))?;
        // The receiver may have begun in the midst of a unit.
        wait_for("a whole unit", 20, || {
            Ok(control.show("in")?.counters.frames_complete > 0)
        })?;
        plays(
            rig,
            &format!(
                "onairsrc session=in num-buffers={UNITS} ! {} ! filesink location={to}",
                caps(mode)
            ),
        )?;
        let mut sent = vec![0; document.bytes as usize];
        pattern.unit(0, 0, &mut sent);
        // A pipeline has no boxes before a codestream.
        let boxes = UnitHeader::parse(&sent)?.boxes.bytes;
        let bytes = fs::read(&path)?;
        let codestreams = bytes.chunks_exact(sent.len() - boxes);
        ensure!(codestreams.remainder().is_empty(), "{} bytes", bytes.len());
        assert_eq!(codestreams.len(), UNITS, "{mode}");
        let mut last = None;
        for codestream in codestreams {
            let unit = [&sent[..boxes], codestream].concat();
            let number = pattern.number_of(&unit).context("a number")?;
            ensure!(last.is_none_or(|last| number == last + 1), "{number}");
            pattern.unit(number, 0, &mut sent);
            ensure!(unit == sent, "{mode}: unit {number} differs");
            last = Some(number);
        }
        control.end("out")?;
        control.end("in")?;
    }
    Ok(())
}

/// The codestreams of a file are received as they were, with their boxes and without.
pub(super) fn sink(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let (path, from) = file(rig, "codestreams")?;
    for (fields, mode) in kinds() {
        let document = jpeg_xs(&fields);
        let pattern = pattern(&document);
        control.create(&into_b(&document, 5004))?;
        control.create(&out_of_a(&document, 5004, Source::Client))?;
        let receiver = attach(rig, "in")?;
        let size = document.bytes as usize;
        let mut units = vec![0; UNITS * size];
        for (unit, number) in units.chunks_exact_mut(size).zip(0..) {
            pattern.unit(number, 0, unit);
        }
        let sends = |size: usize| {
            format!(
                "filesrc location={from} blocksize={size} ! {} ! onairsink session=out",
                caps(mode)
            )
        };
        let boxes = UnitHeader::parse(&units)?.boxes.bytes;
        // With the boxes, and as an encoder writes them.
        for without in [0, boxes] {
            let parts = units.chunks_exact(size).map(|it| &it[without..]);
            fs::write(&path, parts.collect::<Vec<_>>().concat())?;
            plays(rig, &sends(size - without))?;
            for unit in units.chunks_exact(size) {
                let came = next(&receiver)?;
                ensure!(
                    came.complete && came.bytes == unit,
                    "{mode}: a unit differs"
                );
            }
        }
        let (code, said) = launched(rig, &sends(size - 1))?;
        let what = format!(
            "a buffer has {} bytes, and one of the session {size}",
            size - 1
        );
        ensure!(code != 0 && said.contains(&what), "{said}");
        drop(receiver);
        control.end("out")?;
        control.end("in")?;
    }
    Ok(())
}

#[test]
fn codestream_without_headers_then_left_out_and_counted_lost() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let document = jpeg_xs(&json!({}));
    let mut control = rig.control()?;
    control.create(&into_b(&document, 5004))?;
    let (path, to) = file(&rig, "codestreams")?;
    let said = rig.stage().directory().join("said");
    let pipeline = format!("--messages onairsrc session=in num-buffers=4 ! filesink location={to}");
    let mut launch = tool(&rig, "gst-launch-1.0", &pipeline)?;
    launch.stdout(fs::File::create(&said)?);
    launch.stderr(fs::File::create(rig.stage().directory().join("traced"))?);
    let mut launch = running("gst-launch-1.0", &mut launch)?;
    let pid = launch.pid();
    wait_for(
        "a pipeline that waits",
        30,
        || Ok(!blocked(pid)?.is_empty()),
    )?;
    let socket = socket(&rig)?;
    // Of unit 1 the packet with the headers is lost: the memory of its buffer was never written there.
    for (number, unit) in packets(&document, 5)?.iter().enumerate() {
        for packet in &unit[usize::from(number == 1)..] {
            socket.send(packet)?;
        }
    }
    let status = launch.wait(Deadline::seconds(30))?;
    ensure!(status.success(), "{status}");
    let pattern = pattern(&document);
    let mut sent = vec![0; document.bytes as usize];
    let mut expected = Vec::new();
    for number in [0, 2, 3, 4] {
        pattern.unit(number, 0, &mut sent);
        expected.extend_from_slice(&sent[UnitHeader::parse(&sent)?.boxes.bytes..]);
    }
    ensure!(fs::read(&path)? == expected, "other codestreams");
    let said = fs::read_to_string(said)?;
    let lost = said.lines().find(|it| it.contains("GstMessageQOS"));
    let lost = lost.with_context(|| said.clone())?;
    ensure!(lost.contains("dropped=(guint64)1"), "{lost}");
    let counters = control.show("in")?.counters;
    assert_eq!(counters.frames_incomplete, 1, "{counters:?}");
    drop(launch);
    control.end("in")?;
    Ok(())
}
