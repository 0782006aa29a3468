//! Sessions of audio in pipelines of GStreamer.

use std::fs;

use anyhow::{Result, ensure};
use onair::Coding;
use onair_api::Source;
use onair_essence::audio::Tone;
use onair_tests::Rig;

use super::gstreamer::{file, launched, plays};
use crate::audio::{attach, audio, format, into_b, next, out_of_a};

/// Blocks that pass.
const BLOCKS: usize = 12;

/// What a source of each coding writes has every sample that was sent.
pub(super) fn source(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let (path, to) = file(rig, "samples")?;
    for (coding, channels, caps) in [
        (
            Coding::L16,
            2,
            "audio/x-raw,format=S16BE,rate=48000,channels=2",
        ),
        (
            Coding::L24,
            8,
            "audio/x-raw,format=S24BE,channels=8,channel-mask=(bitmask)0",
        ),
        (
            Coding::Am824,
            2,
            "audio/x-raw,format=S24BE,layout=interleaved",
        ),
    ] {
        let sound = audio(coding, 48_000, channels);
        control.create(&into_b(&sound, 5004))?;
        control.create(&out_of_a(&sound, 5004, Source::Pattern))?;
        plays(
            rig,
            &format!("onairsrc session=in num-buffers={BLOCKS} ! {caps} ! filesink location={to}"),
        )?;
        // AES3 is given as its 24 bits of audio.
        let given = match coding {
            Coding::Am824 => Coding::L24,
            other => other,
        };
        let format = format(&audio(given, 48_000, channels));
        let (samples, tone) = (fs::read(&path)?, Tone::new(&format));
        let blocks = samples.chunks_exact(format.block_bytes());
        ensure!(blocks.len() == BLOCKS, "{} bytes", samples.len());
        let numbers = blocks.map(|it| tone.verify(it));
        let numbers = numbers.collect::<Result<Vec<_>, _>>()?;
        ensure!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
        control.end("out")?;
        control.end("in")?;
    }
    Ok(())
}

/// The samples of a file are received as they were.
pub(super) fn sink(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    let audio = audio(Coding::L24, 48_000, 2);
    let format = format(&audio);
    control.create(&into_b(&audio, 5004))?;
    control.create(&out_of_a(&audio, 5004, Source::Client))?;
    let receiver = attach(rig, "in")?;
    let (path, from) = file(rig, "samples")?;
    // The last block is half of one.
    let bytes = format.block_bytes() * BLOCKS - format.block_bytes() / 2;
    let mut samples: Vec<_> = (0..bytes)
        .map(|it| (it * 7 % 251).to_le_bytes()[0])
        .collect();
    fs::write(path, &samples)?;
    let parse = "rawaudioparse pcm-format=s24be sample-rate=48000 num-channels=2";
    plays(
        rig,
        &format!("filesrc location={from} blocksize=4000 ! {parse} ! onairsink session=out"),
    )?;
    samples.resize(format.block_bytes() * BLOCKS, 0);
    for block in samples.chunks_exact(format.block_bytes()) {
        assert_eq!(next(&receiver)?.bytes, block);
    }
    let (code, said) = launched(rig, "audiotestsrc num-buffers=5 ! onairsink session=in")?;
    ensure!(code != 0 && said.contains("use onairsrc"), "{said}");
    drop(receiver);
    control.end("out")?;
    control.end("in")?;
    Ok(())
}
