//! FFmpeg reads a session from `onairctl pipe`, and writes one.

use std::io::Write as _;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use onair::PixelFormat;
use onair_api::Source;
use onair_tests::{Rig, wait_for};

use super::{PLANES, RASTER, ended, ffmpeg, lab, numbers, pattern, pipe, rising, succeeded, taker};

const FRAMES: usize = 20;

#[test]
fn ffmpeg_reads_each_kind_then_every_bit_is_the_senders() -> Result<()> {
    let (rig, mut control) = lab(Source::Pattern)?;
    let raw = format!(
        "-f rawvideo -pixel_format yuv422p10le -video_size {}x{}",
        RASTER.width, RASTER.height
    );
    for (arguments, input) in [
        ("cam", "-f nut"),
        ("cam --layout yuv422p10le", "-f nut"),
        ("cam --format y4m", "-f yuv4mpegpipe"),
        ("cam --format raw", raw.as_str()),
    ] {
        let mut sender = pipe(&rig, arguments)?.spawn()?;
        let frames = sender.stdout.take().context("its frames")?;
        let output =
            format!("-frames:v {FRAMES} -fps_mode passthrough -f rawvideo -pix_fmt yuv422p10le -");
        let read = ffmpeg(&format!("{input} -i - {output}"))
            .stdin(frames)
            .output()?;
        let numbers = numbers(PLANES, &succeeded(read)?)?;
        assert_eq!(numbers.len(), FRAMES, "{arguments}");
        rising(&numbers)?;
        // Its reader has closed the pipe.
        let (code, summary, said) = ended(sender)?;
        assert_eq!((code, said.as_str()), (0, ""), "{arguments}: {summary}");
        assert_eq!(summary["ended"], "reader_gone", "{summary}");
        assert_eq!(summary["content"]["frame_rate"], "50/1", "{summary}");
    }
    each_has_its_time(&rig)?;
    wait_for("the clients to be gone", 20, || {
        Ok(control.show("cam")?.attachments.is_empty())
    })
}

/// On a Unix socket each frame has its time.
fn each_has_its_time(rig: &Rig) -> Result<()> {
    let socket = rig.stage().directory().join("cam.nut");
    let path = socket.to_str().context("a path of UTF-8")?;
    let sender = pipe(rig, &format!("cam --unix {path}"))?.spawn()?;
    wait_for("the socket", 20, || Ok(socket.exists()))?;
    let mut read = ffmpeg(&format!(
        "-f nut -i unix:{path} -frames:v {FRAMES} -c copy -f framecrc -"
    ));
    let told = String::from_utf8(succeeded(read.output()?)?)?;
    ensure!(
        told.contains("#tb 0: 1/50") && told.contains("#codec_id 0: v210"),
        "{told}"
    );
    let times: Vec<u64> = told
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| -> Result<u64> {
            Ok(line.split(',').nth(2).context("a time")?.trim().parse()?)
        })
        .collect::<Result<_>>()?;
    assert_eq!(times.len(), FRAMES);
    rising(&times)?;
    let (code, summary, _) = ended(sender)?;
    assert_eq!(code, 0, "{summary}");
    // No frame was lost: each is one after the other.
    if summary["lost_frames"] == 0 && summary["missed_buffers"] == 0 {
        assert_eq!(
            times.last().copied(),
            times.first().map(|it| it + FRAMES as u64 - 1)
        );
    }
    ensure!(!socket.exists(), "the socket stays");
    Ok(())
}

#[test]
fn ffmpeg_writes_each_kind_then_every_bit_arrives() -> Result<()> {
    let (rig, _control) = lab(Source::Client)?;
    let size = format!(
        "-video_size {}x{} -framerate {}",
        RASTER.width, RASTER.height, RASTER.rate
    );
    let planes = format!("-f rawvideo -pixel_format yuv422p10le {size}");
    let v210 = format!("-f v210 {size}");
    for (format, input, output, arguments) in [
        (PixelFormat::V210, &v210, "-c copy -f nut", ""),
        (
            PLANES,
            &planes,
            "-c:v rawvideo -f nut",
            "--layout yuv422p10le",
        ),
        (
            PLANES,
            &planes,
            "-strict -1 -f yuv4mpegpipe",
            "--format y4m",
        ),
        (
            PLANES,
            &planes,
            "-f rawvideo",
            "--format raw --layout yuv422p10le",
        ),
    ] {
        let last = FRAMES as u64 - 1;
        let taken = taker(&rig, last)?;
        let mut writer = ffmpeg(&format!("{input} -i - {output} -"))
            .stdin(Stdio::piped())
            .spawn()?;
        let mut frames = writer.stdin.take().context("its input")?;
        let pixels = pattern(format, FRAMES as u64)?;
        let written = std::thread::spawn(move || frames.write_all(&pixels));
        let converted = writer.stdout.take().context("its output")?;
        let mut reader = pipe(&rig, &format!("out --send {arguments}"))?;
        let (code, summary, said) = ended(reader.stdin(converted).spawn()?)?;
        assert_eq!((code, said.as_str()), (0, ""), "{arguments}: {summary}");
        assert_eq!(
            (&summary["frames"], &summary["ended"]),
            (&FRAMES.into(), &"input_ended".into())
        );
        written.join().expect("it does not panic")?;
        succeeded(writer.wait_with_output()?)?;
        let seen = taken.join().expect("it does not panic")?;
        assert_eq!(
            seen.into_iter().collect::<Vec<_>>(),
            Vec::from_iter(0..=last),
            "{arguments}"
        );
    }
    Ok(())
}
