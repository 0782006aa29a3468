//! What a daemon under attack decided is replayed by the simulator, by the session's trace.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use onair_api::{AttachmentState, SpecDocument};
use onair_sim::replay_trace;
use onair_tests::{Control, Raster, Rig, TestClient, onairctl, receive, wait_for};

/// The trace of a session, as `onairctl` writes it.
fn trace(rig: &Rig, session: &str) -> Result<String> {
    let path = rig.stage().directory().join("cam.trace");
    let line = format!("debug trace {session} --out {}", path.display());
    let ran = onairctl(rig, &line)?;
    ensure!(ran.code == 0, "{}", ran.err);
    Ok(fs::read_to_string(path)?)
}

/// Replays a trace that has each of these. Returns its number of events.
fn replayed(trace: &str, has: &[&str]) -> Result<u64> {
    let again = replay_trace(trace, |_| ())?;
    for text in has {
        ensure!(trace.contains(text), "no {text}:\n{trace}");
    }
    Ok(again.events)
}

/// A client of `cam`, and its attachment.
fn user(rig: &Rig) -> Result<(TestClient, u64)> {
    let mut user = rig.test_client()?;
    let attached = user.say("attach cam")?;
    Ok((user, attached["attachment"].as_u64().context("attachment")?))
}

fn cam(control: &mut Control) -> Result<()> {
    control.create(&SpecDocument {
        quota: Some(8),
        max_attachments: Some(8),
        ..receive("cam", Raster::SMALL, 5000)
    })?;
    control.pattern("source", 5000)?;
    Ok(())
}

#[test]
fn trace_of_a_daemon_under_attack_replays_and_a_spoilt_one_not() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    cam(&mut control)?;
    // One overwrites all that it can write, until the daemon evicts it, or an operator does.
    let (mut rioter, number) = user(&rig)?;
    rioter.say("hold 2")?;
    rioter.block(2)?;
    rioter.send("riot")?;
    // One is killed with frames and blocked callers, amid the stop.
    let (mut victim, _) = user(&rig)?;
    victim.say("hold 2")?;
    victim.block(3)?;
    // One keeps a frame, so that the destroy waits.
    let (mut holder, _) = user(&rig)?;
    holder.say("hold 1")?;
    holder.freeze()?;
    control.evict("cam", number)?;
    victim.freeze()?;
    control.stop("cam")?;
    victim.kill()?;
    rioter.kill()?;
    ensure!(control.try_destroy("cam")?.code() == "busy");
    wait_for("only the holder to be there", 30, || {
        let left = control.show("cam")?.attachments;
        Ok(matches!(&left[..], [it] if it.state == AttachmentState::Attached))
    })?;
    // It is stuck: its trace is there.
    let stuck = trace(&rig, "cam")?;
    let events = replayed(
        &stuck,
        &["\"evicted\"", "\"reconciled\"", "\"not_destroyed\""],
    )?;

    holder.thaw()?;
    holder.say("put")?;
    holder.leave()?;
    let certificate = control.destroy_wait("cam")?;
    // It has ended, and its trace goes on to the end.
    let ended = trace(&rig, &certificate.session.to_string())?;
    ensure!(ended == trace(&rig, "cam")?, "the last one of its name");
    ensure!(replayed(&ended, &["\"destroyed\""])? > events);

    // Another answer, and the daemon would not have destroyed it.
    let last = ended.lines().position(|it| it.contains("\"destroyed\""));
    let last = last.context("it is destroyed")?;
    let mut lines: Vec<String> = ended.lines().map(str::to_owned).collect();
    lines[last] = lines[last].replacen("\"says\":\"zero\"", "\"says\":\"users\"", 1);
    let difference = replay_trace(&lines.join("\n"), |_| ());
    let difference = difference.err().context("a spoilt trace is replayed")?;
    ensure!(difference.line == last + 1, "{difference}");
    Ok(())
}
