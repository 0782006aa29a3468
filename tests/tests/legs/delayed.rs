//! A leg that is late, and memory for what waits for it.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_essence::legs::Class;
use onair_tests::two_networks::{TwoNetworks, receive_both, send_both};
use onair_tests::{Backend, Deadline, DelayLine, QUOTA, Raster, Viewer, until, wait_for};

/// The second leg is behind by this much.
const DELAY: Duration = Duration::from_millis(20);

#[test]
fn late_leg_when_the_other_is_cut_then_no_frame_is_lost() -> Result<()> {
    let cables = [("vc", "vx"), ("vy", "vd")];
    let networks = TwoNetworks::with(Backend::AfPacket, &cables, "")?;
    let line = DelayLine::start(networks.rig.stage(), "vx", "vy", DELAY)?;
    let mut control = networks.rig.control()?;
    let mut spec = receive_both("in", Raster::SMALL, 5004);
    spec.quota = Some(QUOTA);
    let second = spec.flow.second_leg.as_mut().context("two legs")?;
    second.class = Some(Class::C);
    control.create(&spec)?;
    let mut viewer = Viewer::start(&networks.rig, "in")?;
    control.create(&send_both("out", Raster::SMALL, 5004))?;
    for up in [false, true, false, true] {
        let frames = viewer.taken()? + 10;
        viewer.wait(frames, Deadline::seconds(40))?;
        networks.switch("va", up)?;
    }
    let mut legs = || control.show("in")?.legs.context("two legs");
    let before = legs()?.first.packets;
    wait_for("the leg that was cut", 20, || {
        Ok(legs()?.first.packets > before + 100)
    })?;
    // They are apart as long as both bring packets, and their skew of before says nothing.
    let apart_ns = until("the skew of a second", Deadline::seconds(20), || {
        let is_apart = |ns: &u64| u128::from(*ns) >= DELAY.as_nanos() / 2;
        Ok(legs()?.skew_max_ns.filter(is_apart))
    });
    apart_ns.with_context(|| format!("{:?}", legs()))?;
    let sent = control.end("out")?.frames;
    let seen = viewer.finish(&mut control, Deadline::seconds(20))?;
    let found = control.show("in")?.legs.context("two legs")?;
    assert_eq!((found.packets_lost, found.restarts), (0, 0), "{found:?}");
    assert!(found.first.packets_used > 0 && found.second.packets_used > 0);
    assert!(seen.iter().all(|it| it.complete), "{seen:?}");
    assert_eq!(seen.len() as u64, sent.frames_sent);
    control.destroy_wait("in")?;
    line.finish()
}

#[test]
fn legs_over_the_memory_limit_then_refused() -> Result<()> {
    let limits = "[limits]\nframe_memory_mb = 8\n";
    let networks = TwoNetworks::with(Backend::AfPacket, &[("vc", "vd")], limits)?;
    let mut control = networks.rig.control()?;
    let mut spec = receive_both("in", Raster::SMALL, 5004);
    (spec.quota, spec.max_attachments) = (Some(2), Some(1));
    let second = spec.flow.second_leg.as_mut().context("two legs")?;
    second.class = Some(Class::C);
    let refused = control.try_create(&spec)?;
    let body = refused.json.to_string();
    ensure!(refused.status == 429, "{body}");
    for words in ["limit_reached", "limits.frame_memory_mb", "class"] {
        assert!(body.contains(words), "{body}");
    }
    let second = spec.flow.second_leg.as_mut().context("two legs")?;
    second.class = Some(Class::A);
    control.create(&spec)?;
    control.end("in")?;
    Ok(())
}
