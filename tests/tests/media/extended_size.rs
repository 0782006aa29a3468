//! Datagrams of the extended size (ST 2110-10 §6.4: up to 8960 bytes), where the port has the MTU for them.

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_essence::video::VideoDocument;
use onair_stage::OfVideo as _;
use onair_tests::{Backend, Capture, Config, Deadline, Raster, RelayedVideo, Rig, onairctl, send};

const MAX_UDP: u32 = 8960;
/// A line is more than one datagram of that size.
const WIDE: Raster = Raster::new(3840, 64, 25, 10);
const FRAMES: u64 = 20;

fn extended(video: &mut VideoDocument) {
    video.max_udp = Some(MAX_UDP);
}

/// A client's frames go through both ports whole.
fn carry(rig: &Rig, max_udp: u32) -> Result<()> {
    let adapt = |video: &mut VideoDocument| video.max_udp = Some(max_udp);
    let mut video = RelayedVideo::of(rig, WIDE, Source::Client, adapt)?;
    let mut source = rig.user("out")?;
    source.say(format_args!("submit {FRAMES}"))?;
    source.say("detach")?;
    source.leave()?;
    video.viewer.wait(FRAMES, Deadline::seconds(40))?;
    let (out, seen) = video.end()?;
    assert_eq!(out.frames_sent, FRAMES);
    for frame in &seen {
        assert!(frame.checksum_right, "{frame:?}");
        assert_eq!(frame.head[0], frame.number, "{frame:?}");
    }
    Ok(())
}

#[test]
fn frames_in_datagrams_of_the_extended_size_then_whole() -> Result<()> {
    let rig = Rig::with_mtu(Config::pair(Backend::AfPacket), 9000)?;
    for port in rig.control()?.health()?.dataplane.ports {
        assert_eq!(port.mtu, 9000, "{port:?}");
    }
    let listed = onairctl(&rig, "port list")?.out;
    assert!(
        listed.contains("MTU") && listed.contains("9000"),
        "{listed}"
    );
    let capture = Capture::start(rig.stage(), "vb")?;
    carry(&rig, MAX_UDP)?;
    let rows = capture.finish(5004, &["udp.length", "ip.len", "rtp.marker"])?;
    let longest = rows.iter().map(|row| row[0].parse::<u32>());
    let longest = longest.collect::<Result<Vec<_>, _>>()?.into_iter().max();
    let longest = longest.context("no packet")?;
    // Less than a pgroup of 5 bytes is free.
    assert!((MAX_UDP - 4..=MAX_UDP).contains(&longest), "{longest}");
    let mut spec = send("out", WIDE, 5004, Source::Pattern);
    extended(spec.format.video_mut());
    rig.control()?.create(&spec)?;
    let description = onairctl(&rig, "session sdp out")?.out;
    assert!(description.contains("MAXUDP=8960"), "{description}");
    Ok(())
}

#[test]
fn af_xdp_then_packets_up_to_a_page_and_a_larger_mtu_is_refused() -> Result<()> {
    let rig = Rig::with_mtu(Config::pair(Backend::AfXdp), 3438)?;
    carry(&rig, 3418)?;
    drop(rig);
    let refused = Rig::with_mtu(Config::pair(Backend::AfXdp), 9000);
    let refused = format!("{:#}", refused.err().context("it was opened")?);
    for told in [
        "has an MTU of 9000 bytes, and a port on AF_XDP takes 3438",
        "AF_PACKET",
    ] {
        assert!(refused.contains(told), "{refused}");
    }
    Ok(())
}
