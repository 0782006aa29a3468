//! Interlaced sessions in pipelines: a buffer is a whole frame, a frame of a session two fields.

use std::fs;

use anyhow::{Result, ensure};
use onair::{PixelFormat, Session, Timeout};
use onair_api::{Source, SpecDocument};
use onair_essence::video::Scan;
use onair_essence::video::pattern::verify;
use onair_pixels::Lines;
use onair_stage::OfVideo as _;
use onair_tests::{Config, Rig, receive, send};

use super::gstreamer::{file, launched, plays};
use super::{RASTER, ended, pattern, picture, pipe, rising};

const FORMAT: PixelFormat = PixelFormat::V210;

/// A daemon with an interlaced session `in` that receives what `out` sends, which is of `source`, and with `one`, whose
/// clients may have one field.
fn lab(source: Source) -> Result<Rig> {
    let (rig, mut control) = Rig::with_control()?;
    for (mut spec, quota) in [
        (receive("in", RASTER, 5000), 16),
        (receive("one", RASTER, 5002), 1),
        (send("out", RASTER, 5000, source), 16),
    ] {
        spec.format.video_mut().scan = Some(Scan::Interlaced);
        control.create(&SpecDocument {
            quota: Some(quota),
            ..spec
        })?;
    }
    Ok(rig)
}

/// The numbers of the fields in whole frames, each checked bit for bit.
fn fields(pixels: &[u8]) -> Result<Vec<u64>> {
    let (picture, mut numbers) = (picture(), Vec::new());
    for frame in pixels.chunks_exact(FORMAT.planes(&picture).bytes) {
        for lines in [Lines::First, Lines::Second] {
            let mut pgroups = vec![0; RASTER.frame_bytes() / 2];
            onair_pixels::pack_lines(&picture, lines, FORMAT, frame, &mut pgroups)?;
            numbers.push(verify(&pgroups)?);
        }
    }
    Ok(numbers)
}

#[test]
fn interlaced_source_then_each_buffer_has_both_fields() -> Result<()> {
    let rig = lab(Source::Pattern)?;
    let (path, to) = file(&rig, "a.raw")?;
    let caps = "video/x-raw,format=v210,interlace-mode=interleaved,field-order=top-field-first";
    plays(
        &rig,
        &format!("onairsrc session=in num-buffers=20 ! {caps} ! filesink location={to}"),
    )?;
    let numbers = fields(&fs::read(&path)?)?;
    assert_eq!(numbers.len(), 40);
    rising(&numbers)?;
    for frame in numbers.chunks(2) {
        ensure!(frame[0] % 2 == 0 && frame[1] == frame[0] + 1, "{frame:?}");
    }
    for (caps, what) in [
        (
            "interlace-mode=progressive",
            "the session is interlaced, its upper field first",
        ),
        ("field-order=bottom-field-first", "its upper field first"),
    ] {
        let pipeline = format!("onairsrc session=in ! video/x-raw,{caps} ! fakesink");
        let (code, said) = launched(&rig, &pipeline)?;
        ensure!(code != 0 && said.contains(what), "{code}: {said}");
    }
    // As a viewer and an editor take them.
    for rest in [
        "videoconvert ! video/x-raw,format=I420",
        "videoconvert ! deinterlace ! video/x-raw,interlace-mode=progressive,framerate=100/1",
    ] {
        plays(
            &rig,
            &format!("onairsrc session=in num-buffers=20 ! {rest} ! fakesink"),
        )?;
    }
    let what = r#"session "one" has two fields, but its quota is 1"#;
    let (code, said) = launched(&rig, "onairsrc session=one num-buffers=2 ! fakesink")?;
    ensure!(code != 0 && said.contains(what), "{code}: {said}");
    let (code, _, said) = ended(pipe(&rig, "one")?.spawn()?)?;
    ensure!(code != 0 && said.contains(what), "{code}: {said}");
    Ok(())
}

#[test]
fn interlaced_sink_then_each_frame_arrives_as_two_fields() -> Result<()> {
    let rig = lab(Source::Client)?;
    let (path, from) = file(&rig, "a.raw")?;
    let sent = pattern(FORMAT, 20)?;
    fs::write(&path, &sent)?;
    let session = Session::attach(Config::attach_socket(rig.stage()), "in")?;
    let bytes = FORMAT.planes(&picture()).bytes;
    let taken = std::thread::spawn(move || -> Result<Vec<u8>> {
        let (mut frames, mut all) = (session.frames()?, vec![0; 20 * bytes]);
        for pixels in all.chunks_exact_mut(bytes) {
            frames
                .get(Timeout::millis(20_000))?
                .unpack(FORMAT, pixels)?;
        }
        Ok(all)
    });
    let (width, height, rate) = (RASTER.width, RASTER.height, RASTER.rate);
    let pipeline = |first: bool| {
        format!(
            "filesrc location={from} ! rawvideoparse format=v210 width={width} height={height} framerate={rate}/1 \
             interlaced=true top-field-first={first} ! onairsink session=out sync=false"
        )
    };
    let (code, said) = launched(&rig, &pipeline(false))?;
    ensure!(code != 0 && said.contains("lower field"), "{code}: {said}");
    let (code, said) = launched(
        &rig,
        "videotestsrc ! video/x-raw,interlace-mode=progressive ! onairsink session=out",
    )?;
    ensure!(
        code != 0 && said.contains("the session is interlaced"),
        "{code}: {said}"
    );
    plays(&rig, &pipeline(true))?;
    ensure!(
        taken.join().expect("it does not panic")? == sent,
        "other frames"
    );
    Ok(())
}
