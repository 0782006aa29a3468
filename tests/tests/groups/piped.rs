//! A group through `onairctl pipe`, as one stream for other programs.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context as _, Result, ensure};
use onair::Coding;
use onair_essence::audio::Tone;
use onair_essence::video::pattern;
use onair_tests::{Rig, wait_for};
use serde_json::Value;

use super::attached::{receivers, sends};
use super::{RASTER, descriptions, group, senders};
use crate::audio;
use crate::tools::{ended, ffmpeg, pipe, succeeded};

/// Frames of the stream.
const FRAMES: usize = 25;
/// Bytes of 480 samples of two channels.
pub(super) const BLOCK: usize = 480 * 2 * 3;

/// The times of a stream's packets, in seconds.
fn times(probed: &Value, stream: usize) -> Result<Vec<f64>> {
    let packets = probed["packets"].as_array().context("packets")?;
    let own = packets.iter().filter(|it| it["stream_index"] == stream);
    own.map(|it| Ok(it["pts_time"].as_str().context("a time")?.parse()?))
        .collect()
}

/// What ffprobe finds in a file.
fn probed(file: &str) -> Result<Value> {
    let mut probe = Command::new("ffprobe");
    let probe = probe.args("-v error -show_streams -show_packets -of json".split(' '));
    Ok(serde_json::from_slice(&succeeded(
        probe.arg(file).output()?,
    )?)?)
}

/// `onairctl pipe` with these arguments, which writes to this file, when it has attached to each member.
fn piping(rig: &Rig, arguments: &str, path: &Path) -> Result<Child> {
    let mut child = pipe(rig, arguments)?;
    let child = child.stdout(File::create(path)?).spawn()?;
    let mut control = rig.control()?;
    wait_for("a client of each member", 20, || {
        let mut members = ["in-video", "in-audio", "in-ancillary"].iter();
        members.try_fold(true, |all, it| {
            Ok(all && control.show(it)?.attachments.len() == 1)
        })
    })?;
    Ok(child)
}

#[test]
fn group_piped_to_ffmpeg_then_picture_and_sound_by_their_tai() -> Result<()> {
    let rig = Rig::rings()?;
    let sdp = receivers(&rig, "")?;
    let path = rig.stage().directory().join("in.nut");
    let child = piping(&rig, &format!("in --frames {FRAMES}"), &path)?;
    sends(&rig, &sdp, "")?;
    let (code, summary, said) = ended(child)?;
    assert_eq!((code, said.as_str()), (0, ""), "{summary}");
    assert_eq!(
        (&summary["ended"], &summary["frames"]),
        (&"enough".into(), &FRAMES.into())
    );

    let file = path.to_str().context("a path of UTF-8")?;
    let probed = probed(file)?;
    let streams = probed["streams"].as_array().context("streams")?;
    let names: Vec<_> = streams.iter().map(|it| &it["codec_name"]).collect();
    assert_eq!(names, ["rawvideo", "pcm_s24le"], "{streams:?}");
    assert_eq!(streams[0]["r_frame_rate"], "50/1");
    assert_eq!(streams[1]["sample_rate"], "48000");

    let (frames, blocks) = (times(&probed, 0)?, times(&probed, 1)?);
    assert_eq!(frames.len(), FRAMES);
    // The senders begin at one time: so do the streams.
    ensure!(
        (frames[0] - blocks[0]).abs() < 0.0205,
        "{frames:?} {blocks:?}"
    );
    for (all, unit) in [(&frames, 0.02), (&blocks, 0.01)] {
        ensure!(all.is_sorted_by(|a, b| a < b), "{all:?}");
        let is_on_grid = |it: &&f64| (*it / unit - (*it / unit).round()).abs() < 0.01;
        assert_eq!(all.iter().filter(is_on_grid).count(), all.len(), "{all:?}");
    }
    let last = (frames[FRAMES - 1], blocks[blocks.len() - 1]);
    ensure!(last.1 >= last.0 - 0.2 && last.1 < last.0 + 0.2, "{last:?}");

    let decoded = |arguments: &str| {
        let mut read = ffmpeg(&format!("-f nut -i {file} {arguments} -"));
        succeeded(read.output()?)
    };
    let pictures = decoded("-map 0:v -c copy -f rawvideo")?;
    let pictures = pictures.chunks_exact(RASTER.frame_bytes());
    let numbers: Vec<_> = pictures.map(pattern::verify).collect::<Result<_, _>>()?;
    ensure!(
        numbers.len() == FRAMES && numbers.is_sorted(),
        "{numbers:?}"
    );
    let format = audio::format(&audio::audio(Coding::L24, 48_000, 2));
    let tone = Tone::new(&format);
    for block in decoded("-map 0:a -c:a pcm_s24be -f s24be")?.chunks_exact(BLOCK) {
        tone.verify(block)?;
    }
    refused(&rig)
}

/// A group that is no programme is refused with what to do, and a member that is stopped ends the pipe.
fn refused(rig: &Rig) -> Result<()> {
    let [picture, ..] = senders();
    let two = [5004, 5006].map(|udp| {
        let mut sender = picture.clone();
        sender.flow.destination = format!("239.77.3.1:{udp}");
        sender
    });
    let sdp = descriptions(rig, &two)?;
    group(rig, &format!("create two --port b --sdp {sdp}"))?;
    for (arguments, code, what) in [
        ("none", 5, "there is no session or group none"),
        (
            "in --format wav",
            2,
            "one of its sessions: in-video, in-audio",
        ),
        ("in --format y4m", 2, "received as nut alone"),
        ("in --send", 2, "received as nut alone"),
        ("two", 2, "group two has 2 members with pictures"),
        ("in --layout rgba", 2, "yuv422p"),
    ] {
        let (is, _, said) = ended(pipe(rig, arguments)?.spawn()?)?;
        ensure!(
            is == code && said.contains(what),
            "{arguments}: {is}: {said}"
        );
    }
    // A member that is stopped ends it.
    let socket = rig.stage().directory().join("live.nut");
    let unix = socket.to_str().context("a path of UTF-8")?;
    let child = pipe(rig, &format!("in --unix {unix}"))?.spawn()?;
    // Its file is there a moment before it listens.
    let mut reader = None;
    wait_for("the socket", 20, || {
        reader = std::os::unix::net::UnixStream::connect(&socket).ok();
        Ok(reader.is_some())
    })?;
    rig.control()?.stop("in-audio")?;
    let (code, summary, said) = ended(child)?;
    assert_eq!((code, &summary["ended"]), (1, &"stopped".into()), "{said}");
    ensure!(said.contains("session in-audio was stopped"), "{said}");
    drop(reader);
    ensure!(fs::metadata(&socket).is_err(), "the socket stays");
    Ok(())
}
