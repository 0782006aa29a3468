//! A group of a program in C.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair::Coding;
use onair_essence::audio::Tone;
use onair_essence::video::pattern;

use super::RASTER;
use super::attached::{receivers, sends};
use super::piped::BLOCK;
use crate::audio;
use crate::capi::Lab;

/// The library, and a daemon with a group `in` that has units.
fn lab() -> Result<Lab> {
    let lab = Lab::open()?;
    // A sender of the group has its name for a while.
    lab.rig.control()?.end("out")?;
    let sdp = receivers(&lab.rig, "")?;
    sends(&lab.rig, &sdp, "")?;
    Ok(lab)
}

#[test]
fn group_in_c_unpacked_then_picture_and_sound_as_sent() -> Result<()> {
    let lab = lab()?;
    let folder = lab.rig.stage().directory();
    let paths = ["pictures", "sounds"].map(|it| folder.join(it));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/groups/views.c");
    let [pictures, sounds] = paths.each_ref().map(|it| it.to_str());
    let (pictures, sounds) = pictures.zip(sounds).context("paths in UTF-8")?;
    let said = lab.sanitized(source, &["in", "10", pictures, sounds])?;
    assert_eq!(said, "all unpacked\n");

    let pictures = fs::read(pictures)?;
    let pictures = pictures.chunks_exact(RASTER.frame_bytes());
    let numbers: Vec<_> = pictures.map(pattern::verify).collect::<Result<_, _>>()?;
    ensure!(numbers.len() > 5 && numbers.is_sorted(), "{numbers:?}");
    let tone = Tone::new(&audio::format(&audio::audio(Coding::L24, 48_000, 2)));
    let samples = fs::read(sounds)?;
    let (samples, rest) = samples.as_chunks::<4>();
    ensure!(rest.is_empty(), "{} bytes more", rest.len());
    let wire = samples.iter().flat_map(|it| [it[2], it[1], it[0]]);
    let wire: Vec<_> = wire.collect();
    let blocks = wire.chunks_exact(BLOCK);
    ensure!(blocks.len() > 5, "{} blocks", blocks.len());
    for block in blocks {
        tone.verify(block)?;
    }
    Ok(())
}
