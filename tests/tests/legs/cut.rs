//! Each leg is cut in turn: nothing is lost.

use anyhow::{Context as _, Result};
use onair_api::{Legs, SessionProblemKind};
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{Deadline, Dice, QUOTA, Raster, Viewer, onairctl, wait_for};

/// 1 Gb/s.
const RASTER: Raster = Raster::new(1280, 720, 50, 10);
/// Cuts of each leg.
const CUTS: u64 = 8;

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

#[test]
fn legs_cut_in_turn_under_load_then_no_frame_is_lost() -> Result<()> {
    let networks = TwoNetworks::open()?;
    let mut control = networks.rig.control()?;
    let mut spec = receive_both("in", RASTER, 5004);
    spec.quota = Some(QUOTA);
    control.create(&spec)?;
    let mut viewer = Viewer::start(&networks.rig, "in")?;
    control.create(&send_both("out", RASTER, 5004))?;
    viewer.wait(20, Deadline::seconds(40))?;
    let mut dice = Dice::new(0x0005_eed0);
    for cut in 0..2 * CUTS {
        let end = if cut % 2 == 0 { "va" } else { "vc" };
        let other = usize::from(cut % 2 == 0);
        networks.switch(end, false)?;
        // About 150 ms of the stream at most.
        wait_brought(&networks, &[other], dice.roll(14_000))?;
        networks.switch(end, true)?;
        // Both bring packets again: else the next cut is one of both.
        wait_brought(&networks, &[0, 1], 1_000 + dice.roll(6_000))?;
    }
    let sent = control.end("out")?.frames;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let found = legs(&networks, "in")?;
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
fn legs_joined_and_left_then_session_show_has_both() -> Result<()> {
    let networks = TwoNetworks::open()?;
    let mut control = networks.rig.control()?;
    control.create(&receive_both("in", Raster::SMALL, 5004))?;
    control.create(&send_both("out", Raster::SMALL, 5004))?;
    control.await_view("in", "both legs", |it| {
        it.legs
            .as_ref()
            .is_some_and(|legs| legs.second.packets > 100 && legs.second.link_up.is_some())
            && it.counters.frames_complete > 3
    })?;
    let found = legs(&networks, "in")?;
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
