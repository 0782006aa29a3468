//! Sessions with two legs (ST 2022-7), over two networks.

use anyhow::{Context as _, Result, ensure};
use onair_api::{Legs, Memory, SessionProblemKind, Source};
use onair_tests::recordings::recorded::Recorder as _;
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{
    Backend, Control, Deadline, Dice, QUOTA, Raster, Viewer, onairctl, send, wait_for,
};
use serde_json::Value;

const ALL: [&str; 3] = ["both", "one", "tape"];

/// Cuts of legs at random: how many, of which raster, and for how many packets at most.
struct Cuts {
    count: u64,
    raster: Raster,
    packets: u64,
}

fn legs(networks: &TwoNetworks, session: &str) -> Result<Legs> {
    let view = networks.rig.control()?.show(session)?;
    view.legs.context("a session of two legs")
}

/// Waits until each of `legs` (0, 1) has brought so many packets more.
fn wait_brought(networks: &TwoNetworks, of: &[usize], more: u64) -> Result<()> {
    let brought = || -> Result<[u64; 2]> {
        let now = legs(networks, "in")?;
        Ok([now.first.packets, now.second.packets])
    };
    let before = brought()?;
    wait_for("packets of legs", 20, || {
        let now = brought()?;
        Ok(of.iter().all(|it| now[*it] > before[*it] + more))
    })
}

/// Cuts one leg after the other under load, with the other there: nothing is lost.
fn cut_at_random(networks: &TwoNetworks, cuts: &Cuts) -> Result<()> {
    let mut control = networks.rig.control()?;
    let mut spec = receive_both("in", cuts.raster, 5004);
    spec.quota = Some(QUOTA);
    control.create(&spec)?;
    let mut viewer = Viewer::start(&networks.rig, "in")?;
    control.create(&send_both("out", cuts.raster, 5004))?;
    viewer.wait(20, Deadline::seconds(40))?;
    let mut dice = Dice::new(0x0005_eed0);
    for _ in 0..cuts.count {
        let (end, other) = [("va", 1), ("vc", 0)][dice.below(2)];
        networks.switch(end, false)?;
        wait_brought(networks, &[other], dice.roll(cuts.packets))?;
        networks.switch(end, true)?;
        // Both bring packets again: else the next cut is one of both.
        wait_brought(networks, &[0, 1], 1_000 + dice.roll(cuts.packets / 2))?;
    }
    let sent = control.end("out")?.frames;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let found = legs(networks, "in")?;
    assert_eq!(found.packets_lost, 0, "{found:?}");
    assert!(found.packets_recovered > 0, "{found:?}");
    for frame in &seen {
        let number = frame.pattern_number();
        assert!(frame.complete && number == Some(frame.number), "{frame:?}");
    }
    assert_eq!(seen.len() as u64, sent.frames_sent);
    control.destroy_wait("in")?;
    Ok(())
}

#[test]
fn legs_cut_at_random_under_load_then_no_frame_is_lost() -> Result<()> {
    let wanted = std::env::var("ONAIR_LEG_CUTS").ok();
    let cuts = Cuts {
        count: wanted.map_or(Ok(16), |it| it.parse())?,
        // 1 Gb/s.
        raster: Raster::new(1280, 720, 50, 10),
        // About 150 ms.
        packets: 14_000,
    };
    let networks = TwoNetworks::open(Backend::AfPacket)?;
    joined_and_left(&networks)?;
    cut_at_random(&networks, &cuts)
}

/// What AF_XDP does not send while a link is down takes buffers from all over the port's pool.
#[test]
fn legs_on_af_xdp_cut_for_long_then_no_frame_is_lost() -> Result<()> {
    let cuts = Cuts {
        count: 8,
        raster: Raster::SMALL,
        packets: 8_000,
    };
    cut_at_random(&TwoNetworks::open(Backend::AfXdp)?, &cuts)
}

/// Joined and left: `session show` has both.
fn joined_and_left(networks: &TwoNetworks) -> Result<()> {
    let mut control = networks.rig.control()?;
    control.create(&receive_both("in", Raster::SMALL, 5004))?;
    control.create(&send_both("out", Raster::SMALL, 5004))?;
    control.await_view("in", "both legs", |it| {
        it.legs
            .as_ref()
            .is_some_and(|legs| legs.second.packets > 100 && legs.second.link_up.is_some())
            && it.counters.frames_complete > 3
    })?;
    let found = legs(networks, "in")?;
    for (leg, group) in [(&found.first, "239.1.0.1"), (&found.second, "239.2.0.1")] {
        let joined = leg.group.as_ref().context("a group")?;
        assert_eq!((joined.group.as_str(), joined.joined), (group, true));
        assert_eq!((leg.packets_other_stream, leg.link_up), (0, Some(true)));
    }
    let shown = onairctl(&networks.rig, "session show in")?.out;
    assert!(
        shown.contains("Legs (ST 2022-7):") && shown.contains("239.2.0.1:5004"),
        "{shown}"
    );
    let metrics = networks.rig.scrape()?;
    assert!(
        metrics.contains("onair_session_leg_packets{session=\"in\""),
        "{metrics}"
    );
    let described = onairctl(&networks.rig, "session sdp out")?.out;
    assert!(
        described.contains("a=group:DUP 1 2") && described.contains("a=mid:2"),
        "{described}"
    );
    let moved = "session retarget in --second-destination 239.2.0.9:5004";
    onairctl(&networks.rig, moved)?;
    control.await_view("in", "the other group", |it| {
        let legs = it.legs.as_ref();
        let group = legs.and_then(|it| it.second.group.as_ref());
        group.is_some_and(|it| it.group == "239.2.0.9" && it.joined)
    })?;
    assert_eq!(
        control
            .show("in")?
            .flow
            .second_leg
            .context("two legs")?
            .destination,
        "239.2.0.9:5004"
    );
    control.await_problem("in", SessionProblemKind::LegFault)?;
    control.end("out")?;
    control.end("in")?;
    Ok(())
}

/// Sees all frames until `frames` more came: none is missing or wrong.
fn watch(networks: &TwoNetworks, mut viewer: Viewer, frames: u64) -> Result<()> {
    let mut control = networks.rig.control()?;
    viewer.wait(frames, Deadline::seconds(60))?;
    control.end("out")?;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    for frame in &seen {
        assert!(
            frame.complete && frame.pattern_number().is_some(),
            "{frame:?}"
        );
    }
    let numbers: Vec<_> = seen.iter().filter_map(|it| it.pattern_number()).collect();
    assert!(
        numbers.windows(2).all(|it| it[1] == it[0] + 1),
        "{numbers:?}"
    );
    Ok(())
}

#[test]
fn leg_that_carries_another_stream_then_named_and_never_shown() -> Result<()> {
    let networks = TwoNetworks::open(Backend::AfPacket)?;
    let mut control = networks.rig.control()?;
    let mut spec = receive_both("in", Raster::SMALL, 5004);
    spec.quota = Some(QUOTA);
    control.create(&spec)?;
    let viewer = Viewer::start(&networks.rig, "in")?;
    let mut out = send("out", Raster::SMALL, 5004, Source::Pattern);
    out.flow.destination = "239.1.0.1:5004".into();
    control.create(&out)?;
    control.await_view("in", "frames", |it| it.counters.frames_complete > 5)?;
    let mut other = send("other", Raster::SMALL, 5004, Source::Pattern);
    other.port = "c".into();
    other.flow.destination = "239.2.0.1:5004".into();
    control.create(&other)?;
    let problem = control.await_problem("in", SessionProblemKind::LegFault)?;
    assert!(
        problem.detail.contains("another stream (SSRC 0x"),
        "{}",
        problem.detail
    );
    watch(&networks, viewer, 60)?;
    let view = control.show("in")?;
    let legs = view.legs.context("two legs")?;
    assert!(legs.second.packets_other_stream > 100, "{legs:?}");
    assert_eq!(legs.second.packets_used, 0, "{legs:?}");
    control.end("other")?;
    control.destroy_wait("in")?;
    Ok(())
}

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
