//! A filler's death, a stop, the end: what readers and the next filler get.

use anyhow::{Context as _, Result, ensure};
use onair_api::{SessionState, SpecDocument};
use onair_tests::{Rig, Seen, balanced, wait_for};

use super::{AMPLE, filler, local, with_mix};

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
    ensure!(
        certificate.reconciled.len() as u64 == ROUNDS,
        "{certificate:#?}"
    );
    Ok(())
}

#[test]
fn session_stopped_then_both_sides_are_told_and_it_goes_on() -> Result<()> {
    let (rig, mut control) = with_mix(2)?;
    let (mut reader, mut filler) = (rig.user("mix")?, filler(&rig)?);
    // The filler has its quota, so its next call waits, too.
    filler.say("hold 2")?;
    let blocked = [reader.block(2)?, filler.block(2)?];
    control.stop("mix")?;
    let told = [
        reader.all_returned(2, "EAGAIN")?,
        filler.all_returned(2, "EAGAIN")?,
    ];
    ensure!(told == blocked);
    filler.say("put-all")?;
    control.start("mix")?;
    reader.send("get 30000")?;
    filler.say("submit 1")?;
    let seen: Seen = serde_json::from_value(reader.answer("get")?)?;
    ensure!(seen.checksum_right, "{seen:?}");
    // What is submitted before the stop is published, or counted.
    filler.say("submit 1")?;
    control.stop("mix")?;
    let counters = control.show("mix")?.counters;
    let lost = counters.frames_dropped_stop;
    ensure!(counters.frames_submitted == 2, "{counters:?}");
    ensure!(counters.frames_complete + lost == 2, "{counters:?}");
    let certificate = control.destroy_wait("mix")?;
    balanced(&certificate, 1)?;
    for client in [&mut reader, &mut filler] {
        ensure!(client.errno("get 0")? == "ESTALE");
    }
    Ok(())
}

#[test]
fn daemon_killed_then_the_session_and_its_clients_come_back() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    control.create(&SpecDocument {
        persistent: Some(true),
        ..local("mix", AMPLE)
    })?;
    let (mut reader, mut filler) = (rig.user("mix")?, filler(&rig)?);
    let blocked = reader.block(1)?;
    rig.kill_daemon()?;
    ensure!(reader.all_returned(1, "ESTALE")? == blocked);
    ensure!(filler.errno("get 0")? == "ESTALE");
    rig.start_daemon()?;
    let mut control = rig.control()?;
    control.await_state("mix", SessionState::Running)?;
    reader.say("attach mix")?;
    filler.say("fill mix")?;
    reader.send("get 30000")?;
    filler.say("submit 1")?;
    let seen: Seen = serde_json::from_value(reader.answer("get")?)?;
    ensure!(seen.checksum_right, "{seen:?}");
    let pid = control.show("mix")?.attachments;
    let pid = pid.iter().find(|it| it.fills).context("a filler")?.pid;
    ensure!(pid == filler.pid());
    Ok(())
}
