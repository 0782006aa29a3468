//! The sender types of ST 2110-21, and a sender's own TROFF and CMAX: in the session description, on the wire, and in
//! the verdict of a receiver that was told.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::{SessionView, Source};
use onair_essence::video::SenderType;
use onair_stage::{OfVideo as _, video_timing};
use onair_tests::recordings::pcapng;
use onair_tests::recordings::recorded::{Recorder as _, files, frames_come};
use onair_tests::{Control, Pixels, Raster, Rig, WholeFlow, onairctl, send};
use serde_json::json;

/// A frame, in nanoseconds: 1080p25.
const FRAME_NS: u64 = 40_000_000;
/// TROFFSET: 43 of 1125 lines.
const OFFSET_NS: u64 = FRAME_NS * 43 / 1125;
/// Two readings of the kernel's clocks may differ by so much.
const CLOCKS_NS: u64 = 300_000;

/// A packet of a recording.
struct Sent {
    at_ns: u64,
    timestamp: u32,
    marker: bool,
}

fn sent(file: &std::path::Path) -> Result<Vec<Sent>> {
    let capture = pcapng::read(&fs::read(file)?)?;
    let packets = capture.packets.iter();
    packets
        .map(|packet| {
            // Behind Ethernet, IPv4 and UDP.
            let rtp = packet.bytes.get(42..54).context("an RTP header")?;
            Ok(Sent {
                at_ns: packet.at_ns,
                timestamp: u32::from_be_bytes(rtp[4..8].try_into()?),
                marker: rtp[1] & 0x80 != 0,
            })
        })
        .collect()
}

/// When packet `index` of a frame is due, after the frame's start: by §6.3 and §6.4, less what a sender
/// may be early.
fn earliest_ns(sender: SenderType, index: u64, packets: u64) -> u64 {
    let spread_ns = match sender {
        SenderType::Narrow => FRAME_NS * 1080 / 1125,
        SenderType::NarrowLinear | SenderType::Wide => FRAME_NS,
    };
    let early_ns = match sender {
        // VRX_FULL is 8 packets.
        SenderType::Narrow | SenderType::NarrowLinear => 8 * spread_ns / packets,
        // 720 of them would be more than this.
        SenderType::Wide => OFFSET_NS / 2 + 8 * spread_ns / packets,
    };
    OFFSET_NS + index * spread_ns / packets - early_ns
}

/// No packet of the recording goes before it may. That holds on a busy machine, too: then they go later.
fn none_is_early(sender: SenderType, all: &[Sent], tai_minus_utc_ns: u64) -> Result<()> {
    let first = all.iter().position(|it| it.marker).context("no marker")? + 1;
    let frames: Vec<_> = all[first..]
        .chunk_by(|a, b| a.timestamp == b.timestamp)
        .collect();
    // The last one may be cut.
    let (_, frames) = frames.split_last().context("no frames")?;
    assert!(frames.len() >= 5, "{} frames", frames.len());
    for frame in frames {
        let tai_ns = frame[0].at_ns + tai_minus_utc_ns;
        let packets = frame.len() as u64;
        // The frame of this timestamp (3600 ticks each) that is nearest.
        let near = tai_ns / FRAME_NS;
        let number = (near - 2..=near + 1)
            .find(|number| *number * 3600 % (1 << 32) == u64::from(frame[0].timestamp))
            .with_context(|| format!("{} is of no frame near {tai_ns}", frame[0].timestamp))?;
        for (index, packet) in (0..).zip(*frame) {
            let after_ns = packet.at_ns + tai_minus_utc_ns + CLOCKS_NS;
            let due_ns = number * FRAME_NS + earliest_ns(sender, index, packets);
            assert!(
                after_ns >= due_ns,
                "{sender}: packet {index} of {packets}, {} ns early",
                due_ns - after_ns
            );
        }
    }
    Ok(())
}

fn await_verdict(control: &mut Control) -> Result<()> {
    let judged = |view: &SessionView| video_timing(view).is_some_and(|it| it.compliance.is_some());
    control.await_view("in", "measured for a second", judged)
}

#[test]
fn sender_of_each_type_then_described_spread_and_judged_as_that() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    let clock = control.health()?.clock;
    let tai_minus_utc_ns = clock.tai_minus_utc_s * 1_000_000_000;
    for (sender, described, schedule) in [
        (SenderType::Narrow, "2110TPN", "gapped"),
        (SenderType::NarrowLinear, "2110TPNL", "linear"),
        (SenderType::Wide, "2110TPW", "linear"),
    ] {
        let mut spec = send(
            "out",
            Raster::new(1920, 1080, 25, 10),
            5004,
            Source::Pattern,
        );
        // Without a word it is wide.
        spec.format.video_mut().sender_type = Some(sender).filter(|it| *it != SenderType::Wide);
        control.create(&spec)?;
        assert_eq!(
            control.show("out")?.format.video().sender_type,
            Some(sender)
        );
        let printed = onairctl(&rig, "session sdp out")?;
        let words = format!("TP={described};");
        assert!(printed.out.contains(&words), "{printed:?}");
        for absent in ["TROFF", "CMAX"] {
            assert!(!printed.out.contains(absent), "the default: {printed:?}");
        }
        let sdp = rig.stage().directory().join("out.sdp");
        fs::write(&sdp, &printed.out)?;
        let sdp = sdp.display();

        // A receiver that is made of it judges by it.
        let made = onairctl(
            &rig,
            &format!("session create in --port b --sdp {sdp} --destination 10.77.0.2:5004"),
        )?;
        assert_eq!(made.code, 0, "{made:?}");
        frames_come(&mut control, 2)?;
        let name = format!("sent-{sender}");
        control.record("out", &name, "pcapng", &json!({"snap_length": 96}))?;
        await_verdict(&mut control)?;
        let view = control.show("in")?;
        let timing = video_timing(&view).context("it was there")?;
        assert_eq!(timing.schedule.as_str(), schedule);
        for found in [
            timing.compliance.as_ref(),
            Some(&timing.compliance_since_start),
        ] {
            let found = found.context("a verdict")?;
            assert_eq!(found.declared, Some(sender));
            assert!(found.as_declared.is_some(), "{found:?}");
        }
        let metric = "onair_session_sender_as_declared{";
        assert!(rig.scrape()?.contains(metric));
        let shown = onairctl(&rig, "session show in")?;
        let said = format!("as its sender says ({})", sender.as_str().replace('_', " "));
        assert!(shown.out.contains(&said), "{shown:?}");

        let view = control.stop_recording(&name)?;
        let [file] = &files(&view)[..] else {
            anyhow::bail!("one file: {view:?}");
        };
        none_is_early(sender, &sent(file)?, tai_minus_utc_ns)?;
        let analyzed = onairctl(
            &rig,
            &format!(
                "analyze {} --sdp {sdp} --tai-offset {} --json",
                file.display(),
                clock.tai_minus_utc_s
            ),
        )?;
        assert_eq!(analyzed.code, 0, "{analyzed:?}");
        let flow = &analyzed.json()?["flows"][0];
        assert_eq!(flow["video"]["described_sender"], described, "{flow:#}");
        if sender != SenderType::Wide {
            assert_eq!(flow["timing"]["schedule"], schedule, "{flow:#}");
        }
        assert!(
            flow["timing"]["verdict"]["compliance"].is_string(),
            "{flow:#}"
        );
        for name in ["out", "in"] {
            control.end(name)?;
        }
    }
    Ok(())
}

fn received_is_sent(rig: &Rig, raster: Raster, frames: u32) -> Result<()> {
    received_as_sent(rig, (raster, Pixels::of(raster)), frames)
}

fn received_as_sent(rig: &Rig, format: (Raster, Pixels), frames: u32) -> Result<()> {
    let counters = WholeFlow::start_as(rig, format, frames, |_| {})?.finish()?;
    assert_eq!(counters.packets_late, 0, "{counters:?}");
    assert_eq!(counters.packets_duplicate, 0, "{counters:?}");
    assert!(counters.packets_malformed.is_empty(), "{counters:?}");
    Ok(())
}

#[test]
fn gstreamer_sends_each_sampling_and_depth_then_each_frame_once() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    received_is_sent(&rig, Raster::new(320, 180, 60, 10), 60)?;
    received_is_sent(&rig, Raster::new(1280, 720, 25, 8), 25)?;
    received_as_sent(&rig, (Raster::new(320, 180, 60, 8), Pixels::Rgb), 60)?;
    received_as_sent(&rig, (Raster::new(640, 360, 25, 8), Pixels::I420), 25)
}
