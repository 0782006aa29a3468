//! Clients that punch holes in the memory that they can write, for which a poller pays with page
//! faults: they are cut off, and honest ones are not.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use anyhow::{Result, ensure};
use onair_api::Source;
use onair_tests::{Company, Deadline, Raster, Rig, send, until};

#[test]
fn client__punches_holes_again_and_again__then_cut_off_and_honest_ones_go_on() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut company = Company::start(&mut rig)?;
    for (name, udp) in [("bad", 5001), ("good", 5002)] {
        company
            .control
            .create(&send(name, Raster::SMALL, udp, Source::Client))?;
    }
    let mut frames = rig.user("bad")?;
    let mut honest = rig.user("good")?;
    let mut reader = rig.user("cam")?;

    // Frames that are sent, and are gone again before, while, or after they are read.
    until("the sender to be cut off", Deadline::seconds(60), || {
        let result = frames.errno("submit 1")?;
        frames.say("punch onair-frames 1")?;
        honest.say("submit 1")?;
        ensure!(matches!(&*result, "" | "ESTALE"), "{result}");
        Ok((result == "ESTALE").then_some(()))
    })?;
    honest.say("submit 10")?;
    reader.say("get 10000")?;

    for client in [frames, honest, reader] {
        ensure!(client.leave()?.success());
    }
    for name in ["bad", "good"] {
        company.control.deserted(name)?;
        company.control.stop(name)?;
        let certificate = company.control.destroy_wait(name)?;
        company.control.completed(certificate.session)?;
    }
    company.end()?;
    Ok(())
}
