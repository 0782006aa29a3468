//! Clients that punch holes in the memory that they can write, for which a poller would
//! pay with page faults: they are cut off at the first, and well-behaved ones go on.

use anyhow::{Result, ensure};
use onair_api::Source;
use onair_tests::{Raster, Rig, WatchedSession, send, wait_for};

#[test]
fn client_punches_a_hole_then_evicted_and_others_go_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut watched = WatchedSession::start(&mut rig)?;
    for (name, udp) in [("bad", 5001), ("good", 5002)] {
        watched
            .control
            .create(&send(name, Raster::SMALL, udp, Source::Client))?;
    }
    watched.control.receiver("idle", 5003)?;
    let mut frames = rig.user("bad")?;
    let mut words = rig.user("idle")?;
    let mut good = rig.user("good")?;
    let mut reader = rig.user("cam")?;

    // Frames that are sent, and words of a session in which nothing happens.
    frames.say("submit 1")?;
    frames.say("punch onair-frames 1")?;
    words.say("punch onair-seg 1")?;
    for (bad, call) in [(&mut frames, "submit 1"), (&mut words, "get 20")] {
        wait_for("a client to be evicted", 60, || {
            // Its gate is closed with the rest, until it opens it.
            bad.say("start")?;
            let result = bad.errno(call)?;
            ensure!(
                matches!(&*result, "" | "ETIMEDOUT" | "EAGAIN" | "ESTALE"),
                "{result}"
            );
            good.say("submit 1")?;
            Ok(result == "ESTALE")
        })?;
    }
    good.say("submit 10")?;
    reader.say("get 10000")?;

    for client in [frames, words, good, reader] {
        ensure!(client.leave()?.success());
    }
    for name in ["bad", "good", "idle"] {
        watched.control.deserted(name)?;
        let certificate = watched.control.end(name)?;
        watched.control.completed(certificate.session)?;
    }
    watched.end()?;
    Ok(())
}
