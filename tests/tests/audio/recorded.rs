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

/// What stands between the silences that the export put in, `bytes` a sample.
fn pieces<'a>(samples: &'a [u8], about: &Value, bytes: usize) -> Result<Vec<&'a [u8]>> {
    let mut pieces = Vec::new();
    let mut from = 0;
    for silence in about["silences"].as_array().into_iter().flatten() {
        let number = |key: &str| silence[key].as_u64().context("a number of samples");
        let first = usize::try_from(number("first_sample")?)? * bytes;
        let (piece, silent) = samples[from..].split_at(first - from);
        let length = usize::try_from(number("samples")?)? * bytes;
        ensure!(silent[..length].iter().all(|it| *it == 0), "{silence}");
        pieces.push(piece);
        from = first + length;
    }
    pieces.push(&samples[from..]);
    Ok(pieces)
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
        // A poller that had no core for a while left these out.
        let missed = out.slots_missed;
        wait_for("what was sent to be received", 20, || {
            Ok(control.show("in")?.counters.packets >= out.packets)
        })?;
        let recorded = control.stop_recording(&name)?;
        assert_eq!(recorded.counts.arrived, out.packets);
        let (file, about) = exported(&recorded, "wav")?;
        assert_eq!(about["frames"], out.frames_sent, "{about:#}");
        let silent = about["silent_samples"].as_u64().unwrap_or_default();
        assert_eq!(silent, missed * 480, "{about:#}");
        let samples = decoded(&file, decoder)?;
        let format = format(&audio);
        let expected = (out.frames_sent + missed) * format.block_bytes() as u64;
        assert_eq!(samples.len() as u64, expected);
        let sounding = pieces(&samples, &about, format.block_bytes() / 480)?;
        assert_eq!(Tone::new(&format).verify(sounding[0])?, 0);
        for piece in &sounding[1..] {
            Tone::new(&format).verify(piece)?;
        }
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
