//! Audio from and to programs that are not ours: GStreamer and ffprobe, by our session descriptions.

use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use onair::Coding;
use onair_api::{Source, SpecDocument};
use onair_essence::audio::{AudioDocument, Tone};
use onair_tests::{Deadline, Rig, Running, resolve, wait_for};

use super::{attach, audio, format, into_b, next, out_of_a};

const KERNEL: &str = "10.77.0.9";

/// A pipeline inside the stage's namespace.
fn gstreamer(rig: &Rig, pipeline: &str) -> Result<Running> {
    let child = rig
        .stage()
        .command_inside("gst-launch-1.0")
        .args(["--quiet", "--eos-on-shutdown"])
        .args(pipeline.split_ascii_whitespace())
        .stdin(Stdio::null())
        .spawn()
        .context("starting gst-launch-1.0")?;
    Running::new("gst-launch-1.0", child)
}

/// What GStreamer sends is what a client gets, byte by byte.
fn from_gstreamer(rig: &Rig, audio: &AudioDocument, (raw, pay): (&str, &str)) -> Result<()> {
    let format = format(audio);
    let mut control = rig.control()?;
    control.create(&into_b(audio, 5004))?;
    let session = attach(rig, "in")?;
    resolve(rig.stage(), "10.77.0.2")?;
    let file = rig.stage().directory().join("sent.pcm");
    let ns = format.nanos(format.packet_samples().into());
    let (rate, channels) = (format.sample_rate(), format.channels());
    let mut sender = gstreamer(
        rig,
        &format!(
            "audiotestsrc wave=pink-noise num-buffers=60 samplesperbuffer={} \
             ! audio/x-raw,format={raw},rate={rate},channels={channels},layout=interleaved ! tee name=both \
             both. ! queue ! filesink location={} \
             both. ! queue ! {pay} pt=96 min-ptime={ns} max-ptime={ns} ! udpsink host=10.77.0.2 port=5004",
            format.block_samples(),
            file.display(),
        ),
    )?;
    let mut got = Vec::new();
    for number in 0..60 {
        let block = next(&session).with_context(|| format!("block {number}"))?;
        assert!(block.complete, "{block:?}");
        got.extend(block.bytes);
    }
    let status = sender.wait(Deadline::seconds(20))?;
    ensure!(status.success(), "gst-launch-1.0 failed ({status})");
    let sent = fs::read(&file)?;
    assert_eq!(got.len(), sent.len());
    assert!(got == sent, "the samples differ");
    let counters = control.show("in")?.counters;
    assert_eq!(counters.packets_lost, 0, "{counters:?}");
    assert!(counters.packets_malformed.is_empty(), "{counters:?}");
    drop(session);
    control.end("in")?;
    Ok(())
}

#[test]
fn gstreamer_sends_and_receives_audio_then_each_sample_once() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let of = |coding, us| AudioDocument {
        packet_time_us: Some(us),
        ..audio(coding, 48_000, 2)
    };
    from_gstreamer(&rig, &of(Coding::L24, 1_000), ("S24BE", "rtpL24pay"))?;
    from_gstreamer(&rig, &of(Coding::L16, 1_000), ("S16BE", "rtpL16pay"))?;
    from_gstreamer(&rig, &of(Coding::L24, 125), ("S24BE", "rtpL24pay"))?;
    receives(&rig)
}

/// The tone, from our one port to the kernel's stack.
fn to_the_kernel(audio: &AudioDocument) -> SpecDocument {
    let mut spec = out_of_a(audio, 5004, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = format!("{KERNEL}:5004");
    spec.flow.payload_type = Some(97);
    spec
}

/// GStreamer receives each sample of the tone once.
fn receives(rig: &Rig) -> Result<()> {
    resolve(rig.stage(), "10.77.0.2")?;
    let audio = audio(Coding::L24, 48_000, 2);
    let file = rig.stage().directory().join("received.pcm");
    let mut receiver = gstreamer(
        rig,
        &format!(
            "udpsrc port=5004 caps=application/x-rtp,media=audio,payload=97,clock-rate=48000,encoding-name=L24,channels=2 \
             ! rtpL24depay ! filesink buffer-mode=unbuffered location={}",
            file.display()
        ),
    )?;
    let table = format!("/proc/{}/net/udp", receiver.pid());
    wait_for("GStreamer to listen", 20, || {
        Ok(fs::read_to_string(&table)?.contains(":138C "))
    })?;
    let mut control = rig.control()?;
    control.create(&to_the_kernel(&audio))?;
    wait_for("the tone to be sent", 20, || {
        Ok(control.show("out")?.counters.frames_sent >= 50)
    })?;
    control.stop("out")?;
    let sent = control.destroy_wait("out")?.frames.frames_sent;
    let wanted = sent * format(&audio).block_bytes() as u64;
    wait_for("GStreamer to write the samples", 20, || {
        Ok(file.metadata().is_ok_and(|about| about.len() >= wanted))
    })?;
    receiver.kill()?;
    let bytes = fs::read(&file)?;
    assert_eq!(bytes.len() as u64, wanted);
    assert_eq!(Tone::new(&format(&audio)).verify(&bytes)?, 0);
    Ok(())
}
