//! Blocks through `onairctl pipe`, as files for other programs and of them.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair::Coding;
use onair_api::Source;
use onair_essence::audio::{Tone, wav};
use onair_tests::recordings::recorded::{Recorder as _, exported};
use onair_tests::{Rig, output, wait_for};
use serde_json::{Value, json};

use super::{attach, audio, format, into_b, next, out_of_a};
use crate::tools::{ended, ffmpeg, pipe, succeeded};

/// Blocks that pass.
const BLOCKS: usize = 12;

/// Samples of each channel in a block.
const BLOCK: usize = 480;

/// Samples of two channels for so many blocks, as in a file.
fn noise(coding: Coding, blocks: usize) -> Vec<u8> {
    let bytes = blocks * BLOCK * 2 * usize::from(wav::bits(coding) / 8);
    let numbers = (0..bytes as u64).map(|it| it.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    numbers.map(|it| it.to_be_bytes()[0]).collect()
}

#[test]
fn audio_piped_out_and_in_then_every_sample_is_the_senders() -> Result<()> {
    let rig = Rig::pair()?;
    let mut control = rig.control()?;
    for coding in [Coding::L16, Coding::L24] {
        let audio = audio(coding, 48_000, 2);
        let format = format(&audio);
        control.create(&into_b(&audio, 5004))?;
        control.create(&out_of_a(&audio, 5004, Source::Pattern))?;
        let raw = if coding == Coding::L16 {
            "s16le"
        } else {
            "s24le"
        };
        for (kind, input) in [
            ("wav", "-f wav".to_owned()),
            ("pcm", format!("-f {raw} -ar 48000 -ch_layout stereo")),
        ] {
            let arguments = format!("in --format {kind} --frames {BLOCKS}");
            let mut sender = pipe(&rig, &arguments)?.spawn()?;
            let frames = sender.stdout.take().context("its samples")?;
            let mut read = ffmpeg(&format!("{input} -i - -c:a pcm_{raw} -f {raw} -"));
            let samples = succeeded(read.stdin(frames).output()?)?;
            let blocks = samples.chunks_exact(BLOCK * usize::from(wav::bits(coding) / 8) * 2);
            ensure!(blocks.len() == BLOCKS, "{kind}: {} bytes", samples.len());
            let (tone, mut last) = (Tone::new(&format), None);
            for block in blocks {
                let mut bytes = vec![0; format.block_bytes()];
                wav::fill(&format, block, &mut bytes);
                let first = tone.verify(&bytes)?;
                ensure!(
                    last.is_none_or(|last| first == last + BLOCK as u64),
                    "{kind}"
                );
                last = Some(first);
            }
            let (code, summary, said) = ended(sender)?;
            assert_eq!((code, said.as_str()), (0, ""), "{kind}: {summary}");
            assert_eq!(summary["ended"], "enough", "{summary}");
            assert_eq!(summary["frames"], BLOCKS, "{summary}");
        }
        control.end("out")?;
        control.end("in")?;
    }
    piped_in(&rig)
}

/// Samples that are piped in are received as they were, and the last block is filled up.
fn piped_in(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    for (coding, kind) in [
        (Coding::L16, "wav"),
        (Coding::L24, "wav"),
        (Coding::L24, "pcm"),
    ] {
        let audio = audio(coding, 48_000, 2);
        let format = format(&audio);
        control.create(&into_b(&audio, 5004))?;
        control.create(&out_of_a(&audio, 5004, Source::Client))?;
        let receiver = attach(rig, "in")?;
        let mut child = pipe(rig, &format!("out --send --format {kind}"))?;
        let mut child = child.stdin(Stdio::piped()).spawn()?;
        let mut stdin = child.stdin.take().context("its input")?;
        let mut samples = noise(coding, BLOCKS);
        // Half of the last block.
        let half = samples.len() / BLOCKS / 2;
        samples.truncate(samples.len() - half);
        if kind == "wav" {
            let count = samples.len() as u64 / wav::sample_bytes(&format);
            stdin.write_all(&wav::header(&format, None, Some(count)))?;
        }
        stdin.write_all(&samples)?;
        // What follows the samples of a WAV file is not of them.
        if kind == "wav" {
            stdin.write_all(b"LIST\x04\0\0\0none")?;
        }
        drop(stdin);
        samples.resize(samples.len() + half, 0);
        let mut left_out = 0;
        for (number, block) in samples.chunks_exact(half * 2).enumerate() {
            let mut bytes = vec![0; format.block_bytes()];
            wav::fill(&format, block, &mut bytes);
            let mut came = next(&receiver)?;
            while !came.complete {
                left_out += 1;
                came = next(&receiver)?;
            }
            ensure!(came.bytes == bytes, "{kind}: block {number} is another");
        }
        let (code, summary, said) = ended(child)?;
        assert_eq!((code, said.as_str()), (0, ""), "{kind}: {summary}");
        assert_eq!(summary["ended"], "input_ended", "{summary}");
        assert_eq!(summary["frames"], BLOCKS, "{summary}");
        // A sender without a core leaves out the time of a block: it comes as silence.
        // The counters of a stopped session are whole.
        control.stop("out")?;
        let missed = control.show("out")?.counters.slots_missed;
        ensure!(
            left_out <= missed,
            "{left_out} not whole, {missed} left out"
        );
        drop(receiver);
        control.end("out")?;
        control.end("in")?;
    }
    Ok(())
}

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
