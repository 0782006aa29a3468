//! Each leg is cut: nothing is lost.

use anyhow::{Context as _, Result};
use onair_api::{Legs, SessionProblemKind};
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{Backend, Deadline, Dice, QUOTA, Raster, Viewer, onairctl, wait_for};

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
