//! Each essence out of one port and into another.

use std::fs;

use anyhow::{Context as _, Result};
use onair_api::{Source, SpecDocument};
use onair_tests::recordings::recorded::{Recorder, files};
use onair_tests::two_networks::{TwoNetworks, leg, receive_both, send_both};
use onair_tests::{
    Backend, Control, Deadline, Raster, Rig, Viewer, onairctl, output, receive, send, wait_for,
};
use serde_json::{Value, json};

use super::{GROUP, config, of_group, pair};
use crate::{ancillary, audio, jpeg_xs};

const UDP: u16 = 5004;

/// Frames of a pattern to the group, each with its number.
fn video(backend: Backend) -> Result<()> {
    let rig = pair(backend)?;
    let mut control = rig.control()?;
    let view = control.create(&of_group(receive("in", Raster::SMALL, UDP), UDP))?;
    assert_eq!(view.group.context("a group")?.group, GROUP);
    let mut viewer = Viewer::start(&rig, "in")?;
    let out = send("out", Raster::SMALL, UDP, Source::Pattern);
    control.create(&of_group(out, UDP))?;
    viewer.wait(20, Deadline::seconds(40))?;
    control.await_view("in", "the group", |it| {
        it.group.as_ref().is_some_and(|it| it.joined)
    })?;
    control.end("out")?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let mut whole = seen.iter().filter(|frame| frame.complete);
    assert!(whole.all(|it| it.pattern_number() == Some(it.number)));
    control.destroy_wait("in").map(drop)
}

#[test]
fn video_to_a_group_over_af_xdp_arrives() -> Result<()> {
    video(Backend::AfXdp)
}

#[test]
fn video_to_a_group_over_af_packet_arrives() -> Result<()> {
    video(Backend::AfPacket)
}

/// Units of a pattern come whole.
fn arrives(control: &mut Control, into: SpecDocument, out: SpecDocument) -> Result<()> {
    control.create(&of_group(into, UDP))?;
    control.create(&of_group(out, UDP))?;
    control.await_view("in", "whole units", |it| it.counters.frames_complete > 10)?;
    control.end("out")?;
    control.end("in").map(drop)
}

#[test]
fn sound_data_and_jpeg_xs_to_a_group_arrive() -> Result<()> {
    let rig = pair(Backend::AfXdp)?;
    let mut control = rig.control()?;
    let sound = audio::audio(onair::Coding::L24, 48_000, 2);
    let pattern = Source::Pattern;
    let (into, out) = (
        audio::into_b(&sound, UDP),
        audio::out_of_a(&sound, UDP, pattern),
    );
    arrives(&mut control, into, out)?;
    let data = ancillary::ancillary("60000/1001", false);
    let (into, out) = (
        ancillary::into_b(&data, UDP),
        ancillary::out_of_a(&data, UDP, pattern),
    );
    arrives(&mut control, into, out)?;
    let stream = jpeg_xs::jpeg_xs(&json!({}));
    let (into, out) = (
        jpeg_xs::into_b(&stream, UDP),
        jpeg_xs::out_of_a(&stream, UDP, pattern),
    );
    arrives(&mut control, into, out)
}

#[test]
fn unicast_between_ports_then_each_finds_the_other() -> Result<()> {
    let rig = pair(Backend::AfXdp)?;
    let mut control = rig.control()?;
    let to = |mut spec: SpecDocument| {
        spec.flow.destination = format!("[fd77::2]:{UDP}");
        spec
    };
    control.create(&to(receive("in", Raster::SMALL, UDP)))?;
    control.create(&to(send("out", Raster::SMALL, UDP, Source::Pattern)))?;
    control.await_view("in", "frames", |it| it.counters.frames_complete > 10)?;
    let health = control.health()?;
    let port = health.dataplane.ports.iter().find(|it| it.name == "b");
    let port = port.context("port b")?;
    assert_eq!(
        (port.address.as_str(), port.ipv6.as_deref()),
        ("", Some("fd77::2/64"))
    );
    Ok(())
}

#[test]
fn description_of_a_sender_then_a_receiver_is_made_of_it() -> Result<()> {
    let rig = pair(Backend::AfXdp)?;
    let mut control = rig.control()?;
    control.create(&of_group(
        send("out", Raster::SMALL, UDP, Source::Pattern),
        UDP,
    ))?;
    let printed = onairctl(&rig, "session sdp out")?;
    for line in [
        " IN IP6 fd77::1\r\n".to_owned(),
        format!("c=IN IP6 {GROUP}\r\n"),
        format!("a=source-filter: incl IN IP6 {GROUP} fd77::1\r\n"),
    ] {
        assert!(printed.out.contains(&line), "{line}: {}", printed.out);
    }
    let file = rig.stage().directory().join("out.sdp");
    fs::write(&file, &printed.out)?;
    let made = onairctl(
        &rig,
        &format!("session create in --port b --sdp {}", file.display()),
    )?;
    assert_eq!(made.code, 0, "{made:?}");
    let flow = control.show("in")?.flow;
    assert_eq!(flow.destination, format!("[{GROUP}]:{UDP}"));
    assert_eq!(flow.source.as_deref(), Some("fd77::1"));
    control.await_view("in", "frames", |it| it.counters.frames_complete > 10)?;
    Ok(())
}

/// Each leg in a group of its own; the first is cut.
#[test]
fn legs_of_both_families_then_one_is_cut_and_no_frame_lost() -> Result<()> {
    let networks = TwoNetworks::of_ipv6(Backend::AfXdp)?;
    let mut control = networks.rig.control()?;
    let mut into = of_group(receive_both("in", Raster::SMALL, UDP), UDP);
    into.flow.second_leg = Some(leg("d", UDP));
    into.quota = Some(onair_tests::QUOTA);
    control.create(&into)?;
    let mut viewer = Viewer::start(&networks.rig, "in")?;
    control.create(&of_group(send_both("out", Raster::SMALL, UDP), UDP))?;
    viewer.wait(20, Deadline::seconds(40))?;
    networks.switch("va", false)?;
    let more = viewer.taken()? + 40;
    viewer.wait(more, Deadline::seconds(40))?;
    networks.switch("va", true)?;
    let before = control.show("in")?.legs.context("two legs")?.first.packets;
    wait_for("the first leg to be back", 20, || {
        let legs = control.show("in")?.legs.context("two legs")?;
        Ok(legs.first.packets > before + 100)
    })?;
    control.end("out")?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    for frame in &seen {
        let number = frame.pattern_number();
        assert!(frame.complete && number == Some(frame.number), "{frame:?}");
    }
    control.destroy_wait("in").map(drop)
}

#[test]
fn recording_then_other_tools_and_the_analyser_read_it() -> Result<()> {
    let mut config = config(Backend::Ring);
    config.more = "[recorder]\nmin_free_mb = 1\nring_mb = 16\n".into();
    let rig = Rig::with(config, |_| {})?;
    let mut control = rig.control()?;
    control.create(&of_group(receive("in", Raster::SMALL, UDP), UDP))?;
    control.record("in", "into", "pcapng", &Value::Null)?;
    control.create(&of_group(
        send("out", Raster::SMALL, UDP, Source::Pattern),
        UDP,
    ))?;
    control.await_view("in", "frames", |it| it.counters.frames_complete > 30)?;
    control.stop("out")?;
    let view = control.stop_recording("into")?;
    let file = files(&view).into_iter().next().context("a file")?;
    // The checksums are right.
    let shown = file.display().to_string();
    let wrong = [
        "-n",
        "-o",
        "udp.check_checksum:TRUE",
        "-Y",
        "udp.checksum.status != 1",
    ];
    let wrong = output("tshark", &[&wrong[..], &["-r", &shown]].concat())?;
    assert_eq!(wrong, "", "{wrong}");
    let analysed = onairctl(&rig, &format!("--json analyze {}", file.display()))?;
    assert_eq!(analysed.code, 0, "{analysed:?}");
    let analysis: Value = serde_json::from_str(&analysed.out)?;
    let stream = &analysis["flows"][0];
    assert_eq!(
        stream["destination"],
        format!("[{GROUP}]:{UDP}"),
        "{analysis}"
    );
    assert_eq!(stream["source"], format!("[fd77::1]:{UDP}"), "{analysis}");
    Ok(())
}
