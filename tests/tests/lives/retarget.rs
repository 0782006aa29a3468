//! Sessions get other addresses while they run: between two frames, and no frame is lost.

use anyhow::{Context as _, Result};
use onair_api::operations::RetargetSession;
use onair_api::{SessionView, Source};
use onair_tests::{Backend, Config, Control, Raster, Rig, send, wait_for};
use serde_json::{Value, json};

const ONE: u16 = 5004;
const OTHER: u16 = 5006;
const TIMES: u64 = 10;

fn retarget(control: &mut Control, session: &str, flow: &Value) -> Result<SessionView> {
    control.on::<RetargetSession>(session, json!({ "flow": flow }))
}

fn to(udp: u16) -> Value {
    json!({"destination": format!("10.77.0.2:{udp}")})
}

fn received(control: &mut Control, session: &str) -> Result<u64> {
    Ok(control.show(session)?.counters.frames_complete)
}

/// Waits until the session has received some more.
fn flows(control: &mut Control, session: &str) -> Result<()> {
    let before = received(control, session)?;
    wait_for("frames", 20, || {
        Ok(received(control, session)? >= before + 3)
    })
    .with_context(|| format!("{session}: {:?}", control.show(session)))
}

/// A sender that turns from one receiver to another and back: each frame is whole, and arrives at
/// one of both.
fn sender_turns(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    control.ample("one", Raster::SMALL, ONE)?;
    control.ample("other", Raster::SMALL, OTHER)?;
    control.create(&send("out", Raster::SMALL, ONE, Source::Pattern))?;
    for _ in 0..TIMES {
        flows(&mut control, "one")?;
        let view = retarget(&mut control, "out", &to(OTHER))?;
        assert_eq!(view.flow.destination, format!("10.77.0.2:{OTHER}"));
        flows(&mut control, "other")?;
        retarget(&mut control, "out", &to(ONE))?;
    }
    let sent = control.end("out")?.frames.frames_sent;
    let mut sum = 0;
    wait_for("every frame that was sent", 20, || {
        sum = received(&mut control, "one")? + received(&mut control, "other")?;
        Ok(sum >= sent)
    })?;
    let incomplete = |view: SessionView| view.counters.frames_incomplete;
    assert_eq!((sum, incomplete(control.show("one")?)), (sent, 0));
    assert_eq!(incomplete(control.show("other")?), 0);
    Ok(())
}

/// A receiver that turns from one sender to another and back: the frame in transit is finished, so
/// that at most the first of the next flow is not whole, if it had begun already.
fn receiver_turns(rig: &Rig) -> Result<()> {
    let mut control = rig.control()?;
    control.create(&send("out1", Raster::SMALL, ONE, Source::Pattern))?;
    control.create(&send("out2", Raster::SMALL, OTHER, Source::Pattern))?;
    control.ample("in", Raster::SMALL, ONE)?;
    for _ in 0..TIMES {
        for udp in [OTHER, ONE] {
            flows(&mut control, "in")?;
            let before = control.show("in")?.ssrc;
            retarget(&mut control, "in", &to(udp))?;
            flows(&mut control, "in")?;
            let after = control.show("in")?.ssrc;
            assert!(before.is_some() && before != after, "{before:?} {after:?}");
        }
    }
    let counters = control.show("in")?.counters;
    assert!(counters.frames_incomplete <= 2 * TIMES, "{counters:?}");
    assert_eq!(
        (counters.packets_other_ssrc, counters.restarts),
        (0, 0),
        "{counters:?}"
    );
    // What another session has, too.
    control.receiver("next", OTHER)?;
    flows(&mut control, "next")?;
    retarget(&mut control, "in", &to(OTHER))?;
    flows(&mut control, "next")?;
    flows(&mut control, "in")?;
    retarget(&mut control, "next", &to(ONE))?;
    flows(&mut control, "next")?;
    flows(&mut control, "in")
}

#[test]
fn sessions_of_a_port_with_two_pollers_retargeted_then_moved() -> Result<()> {
    let rig = || {
        let config = Config {
            pollers: 2,
            ..Config::pair(Backend::AfPacket)
        };
        Rig::with(config, |_| {})
    };
    sender_turns(&rig()?)?;
    receiver_turns(&rig()?)
}
