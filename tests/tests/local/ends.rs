//! A filler's death, a stop, the end: what readers and the next filler get.

use anyhow::{Result, ensure};
use onair_tests::{Seen, balanced, wait_for};

use super::{filler, with_mix};

#[test]
fn fillers_killed_with_frames_then_the_reader_goes_on() -> Result<()> {
    const ROUNDS: u64 = 20;
    let (rig, mut control) = with_mix(4)?;
    // It is there before any filler, and sits in its call.
    let mut reader = rig.user("mix")?;
    for round in 0..ROUNDS {
        reader.send("get 30000")?;
        let mut filler = filler(&rig)?;
        filler.say("submit 1")?;
        let seen: Seen = serde_json::from_value(reader.answer("get")?)?;
        ensure!(seen.number == round && seen.checksum_right, "{seen:?}");
        filler.say("hold 2")?;
        filler.kill()?;
    }
    wait_for("the last filler to be settled", 30, || {
        Ok(control.show("mix")?.attachments.len() == 1)
    })?;
    control.stop("mix")?;
    let certificate = control.destroy_wait("mix")?;
    balanced(&certificate, ROUNDS)?;
    // It has the memory until it ends.
    reader.leave()?;
    control.completed(certificate.session)?;
    ensure!(
        certificate.reconciled.len() as u64 == ROUNDS,
        "{certificate:#?}"
    );
    Ok(())
}
