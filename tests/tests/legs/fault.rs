//! A leg that is late, or carries what it should not: the other carries the session.

use anyhow::{Context as _, Result};
use onair_api::{SessionProblemKind, Source};
use onair_tests::two_networks::{TwoNetworks, receive_both};
use onair_tests::{Backend, Deadline, QUOTA, Raster, Viewer, send};

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
