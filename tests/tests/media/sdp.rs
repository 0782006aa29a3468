//! Session descriptions: one that we give is read by ffprobe, which then receives the stream by it, and by ourselves.

use onair_stage::OfVideo as _;
use std::fs;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use onair_api::Source;
use onair_essence::video::{
    Colorimetry, PixelAspect, TransferCharacteristics, VideoRange, VideoStandard,
};
use onair_tests::{Raster, Rig, onairctl, resolve, send};
use serde_json::Value;

const KERNEL: &str = "10.77.0.9";
const UDP: u16 = 5004;

#[test]
fn description_of_a_sender_then_ffprobe_and_a_session_use_it() -> Result<()> {
    let rig = Rig::beside_the_kernel()?;
    resolve(rig.stage(), "10.77.0.2")?;
    let mut control = rig.control()?;
    let raster = Raster::new(320, 180, 60, 10);
    let mut spec = send("out", raster, UDP, Source::Pattern);
    spec.port = "b".into();
    spec.flow.destination = format!("{KERNEL}:{UDP}");
    spec.flow.payload_type = Some(112);
    spec.flow.media_clock_offset = Some(4242);
    let video = spec.format.video_mut();
    video.frame_rate = "60000/1001".into();
    video.colorimetry = Some(Colorimetry::Bt2100);
    video.transfer = Some(TransferCharacteristics::Hlg);
    video.range = Some(VideoRange::Full);
    video.pixel_aspect = PixelAspect::new(12, 11);
    video.standard = Some(VideoStandard::Y2022);
    control.create(&spec)?;
    control.await_view("out", "sending", |it| it.counters.frames_sent > 3)?;

    let printed = onairctl(&rig, "session sdp out")?;
    assert_eq!(printed.code, 0, "{printed:?}");
    let got = control.get("/v1/sessions/out/sdp")?;
    assert_eq!(got.status, 200);
    for line in [
        "o=- ",
        "s=out\r\n",
        "m=video 5004 RTP/AVP 112\r\n",
        "c=IN IP4 10.77.0.9\r\n",
        "a=source-filter: incl IN IP4 10.77.0.9 10.77.0.2\r\n",
        "a=rtpmap:112 raw/90000\r\n",
        "exactframerate=60000/1001; depth=10; TCS=HLG; colorimetry=BT2100; RANGE=FULL; PAR=12:11; ",
        "SSN=ST2110-20:2022; ",
        "a=ts-refclk:localmac=",
        "a=mediaclk:direct=4242\r\n",
    ] {
        assert!(printed.out.contains(line), "{line}: {}", printed.out);
    }
    let file = rig.stage().directory().join("out.sdp");
    fs::write(&file, &printed.out)?;

    let probed = rig
        .stage()
        .command_inside("ffprobe")
        .args(["-v", "error", "-protocol_whitelist", "file,rtp,udp"])
        .args([
            "-show_entries",
            "stream=width,height,codec_type",
            "-of",
            "json",
            "-i",
        ])
        .arg(&file)
        .stdin(Stdio::null())
        .output()
        .context("running ffprobe")?;
    let read: Value = serde_json::from_slice(&probed.stdout)?;
    let stream = &read["streams"][0];
    assert_eq!(
        (&stream["codec_type"], &stream["width"], &stream["height"]),
        (&"video".into(), &320.into(), &180.into()),
        "{read} {}",
        String::from_utf8_lossy(&probed.stderr)
    );

    // What comes back from it is the same, with our port's address.
    let path = file.display();
    let made = onairctl(
        &rig,
        &format!("session create in --port b --sdp {path} --destination 10.77.0.2:5010"),
    )?;
    assert_eq!(made.code, 0, "{made:?}");
    let (ours, theirs) = (control.show("in")?, control.show("out")?);
    assert_eq!(ours.format.video(), theirs.format.video());
    assert_eq!(ours.flow.payload_type, Some(112));
    assert_eq!(ours.flow.source.as_deref(), Some("10.77.0.2"));
    let received = onairctl(&rig, "session sdp in")?;
    for line in [
        "m=video 5010 RTP/AVP 112\r\n",
        "TCS=HLG; colorimetry=BT2100; RANGE=FULL; PAR=12:11; ",
        "a=mediaclk:direct=4242\r\n",
    ] {
        assert!(received.out.contains(line), "{line}: {received:?}");
    }

    for name in ["in", "out"] {
        control.end(name)?;
    }
    Ok(())
}
