//! Audio that is recorded, and exported as WAV for programs that are not ours.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use onair::Coding;
use onair_api::Source;
use onair_essence::audio::Tone;
use onair_tests::recordings::recorded::{Recorder as _, exported};
use onair_tests::{Rig, output, wait_for};
use serde_json::{Value, json};

use super::{audio, format, into_b, out_of_a};

/// The samples of a file as ffmpeg decodes them, in the order of bytes of the wire.
fn decoded(file: &Path, coding: &str) -> Result<Vec<u8>> {
    let ran = Command::new("ffmpeg")
        .args(["-v", "error", "-i"])
        .arg(file)
        .args(["-f", coding, "-"])
        .output()
        .context("running ffmpeg")?;
    let said = String::from_utf8_lossy(&ran.stderr);
    ensure!(ran.status.success() && said.is_empty(), "{said}");
    Ok(ran.stdout)
}

#[test]
fn audio_recorded_then_its_wav_has_each_sample_and_the_time() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for (coding, decoder) in [(Coding::L16, "s16be"), (Coding::L24, "s24be")] {
        let audio = audio(coding, 48_000, 4);
        let name = coding.to_string().to_lowercase();
        control.create(&into_b(&audio, 5004))?;
        control.record("in", &name, "pcapng", &json!({}))?;
        control.create(&out_of_a(&audio, 5004, Source::Pattern))?;
        control.await_view("in", "30 blocks", |it| it.counters.frames_complete >= 30)?;
        let out = control.end("out")?.frames;
        wait_for("what was sent to be received", 20, || {
            Ok(control.show("in")?.counters.packets >= out.packets)
        })?;
        let recorded = control.stop_recording(&name)?;
        assert_eq!(recorded.counts.arrived, out.packets);
        let (file, about) = exported(&recorded, "wav")?;
        assert_eq!(about["frames"], out.frames_sent, "{about:#}");
        assert_eq!(about["silent_samples"], Value::Null, "{about:#}");
        let samples = decoded(&file, decoder)?;
        let format = format(&audio);
        let expected = out.frames_sent * format.block_bytes() as u64;
        assert_eq!(samples.len() as u64, expected);
        assert_eq!(Tone::new(&format).verify(&samples)?, 0);
        let path = file.to_str().context("a path in UTF-8")?;
        let line = [
            "-v",
            "error",
            "-show_entries",
            "format_tags",
            "-of",
            "json",
            path,
        ];
        let tags: Value = serde_json::from_str(&output("ffprobe", &line)?)?;
        let reference = &tags["format"]["tags"]["time_reference"];
        let reference: u64 = reference.as_str().context("a time")?.parse()?;
        // A block begins with a whole number of blocks since the epoch, which midnight is, too, but for 37 s.
        assert_eq!(reference % 480, 0, "{tags}");
        control.end("in")?;
    }
    Ok(())
}
