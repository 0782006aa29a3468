//! Two monitors and a recorder on one camera: each receives its flow, and none disturbs the others.

use anyhow::{Result, ensure};
use onair_api::Memory;
use onair_tests::recordings::recorded::Recorder as _;
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{Backend, Control, Raster};
use serde_json::Value;

const ALL: [&str; 3] = ["both", "one", "tape"];

/// Each has every packet of some more frames, and none is incomplete.
fn go_on(control: &mut Control, sessions: &[&str]) -> Result<()> {
    for session in sessions {
        let before = control.show(session)?.counters.frames_complete;
        control.await_view(session, "whole frames", |it| {
            it.counters.frames_complete > before + 20
        })?;
        let counters = control.show(session)?.counters;
        ensure!(counters.frames_incomplete == 0, "{session}: {counters:?}");
        ensure!(counters.packets_lost == 0, "{session}: {counters:?}");
        ensure!(
            counters.packets_malformed.is_empty(),
            "{session}: {counters:?}"
        );
    }
    Ok(())
}

fn two_monitors_and_a_recorder(backend: Backend) -> Result<()> {
    let networks = TwoNetworks::open(backend)?;
    let mut control = networks.rig.control()?;
    for name in ALL {
        let mut spec = receive_both(name, Raster::SMALL, 5004);
        if name != "both" {
            spec.flow.second_leg = None;
        }
        spec.flow.sources = (name == "one").then(|| vec!["10.77.0.1".into()]);
        control.create(&spec)?;
    }
    let group = control.show("tape")?.group.map(|it| it.sessions);
    assert_eq!(group, Some(3));
    control.record("tape", "take", "pcapng", &Value::Null)?;
    control.create(&send_both("out", Raster::SMALL, 5004))?;
    go_on(&mut control, &ALL)?;

    // One is destroyed, one stopped, which leaves its groups, and started again.
    let mut certificates = vec![control.end("one")?];
    go_on(&mut control, &["both", "tape"])?;
    control.stop("both")?;
    go_on(&mut control, &["tape"])?;
    let legs = control.show("both")?.legs;
    ensure!(
        legs.is_some_and(|it| it.first.group.is_none() && it.second.group.is_none()),
        "it has left"
    );
    control.start("both")?;
    let before = control.show("both")?.counters.frames_complete;
    control.await_view("both", "joined again", |it| {
        it.counters.frames_complete > before + 20
    })?;
    go_on(&mut control, &["tape"])?;

    // The recorder lost nothing all along.
    let sent = control.end("out")?.frames.frames_sent;
    control.await_view("tape", "complete", |it| it.counters.frames_complete == sent)?;
    let tape = control.show("tape")?.counters;
    assert_eq!((tape.frames_incomplete, tape.packets_lost), (0, 0));
    let take = control.stop_recording("take")?;
    assert_eq!(take.counts.written, tape.packets, "{take:#?}");
    certificates.extend([control.end("both")?, control.end("tape")?]);
    for certificate in certificates {
        ensure!(
            matches!(certificate.memory, Memory::Returned { .. }),
            "{certificate:#?}"
        );
    }
    Ok(())
}

#[test]
fn two_monitors_and_a_recorder_on_one_camera_then_each_is_whole() -> Result<()> {
    two_monitors_and_a_recorder(Backend::AfPacket)?;
    two_monitors_and_a_recorder(Backend::AfXdp)
}
