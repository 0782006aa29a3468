//! Audio from and to programs that are not ours: GStreamer and ffprobe, by our session descriptions.

use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result, ensure};
use onair::Coding;
use onair_api::{Source, SpecDocument};
use onair_essence::audio::{AudioDocument, Tone};
use onair_tests::{Deadline, Rig, Running, onairctl, resolve, wait_for};
use serde_json::Value;

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
fn gstreamer_sends_audio_then_each_sample_once() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    let of = |coding, us| AudioDocument {
        packet_time_us: Some(us),
        ..audio(coding, 48_000, 2)
    };
    from_gstreamer(&rig, &of(Coding::L24, 1_000), ("S24BE", "rtpL24pay"))?;
    from_gstreamer(&rig, &of(Coding::L16, 1_000), ("S16BE", "rtpL16pay"))?;
    from_gstreamer(&rig, &of(Coding::L24, 125), ("S24BE", "rtpL24pay"))
}

/// The tone, from our one port to the kernel's stack.
fn to_the_kernel(audio: &AudioDocument) -> SpecDocument {
    let mut spec = out_of_a(audio, 5004, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = format!("{KERNEL}:5004");
    spec.flow.payload_type = Some(97);
    spec
}

#[test]
fn gstreamer_receives_the_tone_then_each_sample_once_right() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    resolve(rig.stage(), "10.77.0.2")?;
    let audio = audio(Coding::L24, 48_000, 2);
    let file = rig.stage().directory().join("received.pcm");
    let mut receiver = gstreamer(
        &rig,
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

#[test]
fn description_of_audio_then_ffprobe_and_a_session_use_it() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    resolve(rig.stage(), "10.77.0.2")?;
    let audio = AudioDocument {
        packet_time_us: Some(125),
        channel_order: Some("SMPTE2110.(51,ST)".into()),
        ..audio(Coding::L24, 48_000, 8)
    };
    let mut control = rig.control()?;
    control.create(&to_the_kernel(&audio))?;
    let described = onairctl(&rig, "session sdp out")?;
    for line in [
        "m=audio 5004 RTP/AVP 97\r\n",
        "a=rtpmap:97 L24/48000/8\r\n",
        "a=fmtp:97 channel-order=SMPTE2110.(51,ST)\r\n",
        "a=ptime:0.125\r\n",
        "a=mediaclk:direct=0\r\n",
    ] {
        assert!(described.out.contains(line), "{line}: {}", described.out);
    }
    let file = rig.stage().directory().join("out.sdp");
    fs::write(&file, &described.out)?;
    let probed = rig
        .stage()
        .command_inside("ffprobe")
        .args(["-v", "error", "-protocol_whitelist", "file,rtp,udp"])
        .args(["-show_entries", "stream=codec_name,channels,sample_rate"])
        .args(["-of", "json", "-i"])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .context("running ffprobe")?;
    let read: Value = serde_json::from_slice(&probed.stdout)?;
    let stream = &read["streams"][0];
    let found = (
        &stream["codec_name"],
        &stream["channels"],
        &stream["sample_rate"],
    );
    let said = String::from_utf8_lossy(&probed.stderr);
    assert_eq!(
        found,
        (&"pcm_s24be".into(), &8.into(), &"48000".into()),
        "{read} {said}"
    );
    let path = file.display();
    let line = format!("session create in --port b --sdp {path} --destination 10.77.0.2:5010");
    let made = onairctl(&rig, &line)?;
    assert_eq!(made.code, 0, "{made:?}");
    assert_eq!(control.show("in")?.format, control.show("out")?.format);
    for name in ["in", "out"] {
        control.end(name)?;
    }
    Ok(())
}

#[test]
fn audio_by_flags_then_its_rows_and_timing_are_shown() -> Result<()> {
    let rig = Rig::pair()?;
    let line = "session create in --direction receive --port b --audio L16/48000/2 --packet-time 125us \
        --block-samples 960 --destination 10.77.0.2:5004";
    let made = onairctl(&rig, line)?;
    assert_eq!(made.code, 0, "{made:?}");
    let line = "session create out --direction send --port a --audio L16/48000/2 --packet-time 125us --pattern \
        --destination 10.77.0.2:5004";
    let made = onairctl(&rig, line)?;
    assert_eq!(made.code, 0, "{made:?}");
    let mut control = rig.control()?;
    control.await_view("in", "measured", |it| it.timing.is_some())?;
    let view = control.show("in")?;
    assert!(view.problems.is_empty(), "{:?}", view.problems);
    let shown = onairctl(&rig, "session show in")?;
    for words in ["L16 48000 Hz 2 channels", "960 samples, 20 ms", "TS-DF"] {
        assert!(shown.out.contains(words), "{words}: {}", shown.out);
    }
    let listed = onairctl(&rig, "session list")?;
    assert!(listed.out.contains("L16 48000 Hz 2 channels"), "{listed:?}");
    let refused = onairctl(
        &rig,
        "session create x --direction receive --port b --audio L24/48000/11 --destination 10.77.0.2:5006",
    )?;
    assert!(refused.err.contains("1440"), "{refused:?}");
    for name in ["in", "out"] {
        control.end(name)?;
    }
    Ok(())
}
