//! Threads that end where they should not: what they left is settled once, by name, at once, and
//! their process goes on.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::{BlockerKind, Certificate, ReconciledCause, SessionState};
use onair_tests::{Rig, WatchedSession, balanced, blocked, threads, tids, wait_for};

/// The threads that the certificate says were settled, each once, with so many frames and slots.
fn settled(certificate: &Certificate, pid: u32, frames: u64, slots: u64) -> Result<BTreeSet<u32>> {
    let of_pid = certificate.reconciled.iter().filter(|it| it.pid == pid);
    let mut tids = BTreeSet::new();
    for it in of_pid {
        ensure!(
            (it.cause, it.frames, it.slots) == (ReconciledCause::ThreadExited, frames, slots)
                && tids.insert(it.tid.context("a thread")?),
            "{it:?} in {:#?}",
            certificate.reconciled
        );
    }
    Ok(tids)
}

/// More threads than its quota has frames end inside calls that have taken one. Each gets a frame
/// only if those before it are credited while the session runs.
fn ended_inside_calls_of_a_running_session(probe: &'static str) -> Result<()> {
    let mut rig = Rig::rings_with(|config| config.probe = probe)?;
    let mut watched = WatchedSession::start(&mut rig)?;
    let mut client = rig.user("cam")?;
    let dead = client.tids("exit-taking 80")?;
    assert_eq!(dead.len(), 80);
    wait_for("the last to be settled", 30, || {
        let blockers = watched.control.blockers("cam")?.blockers;
        let left = blockers.iter().any(|it| it.kind == BlockerKind::Exited);
        Ok(!left)
    })?;
    assert_eq!(watched.control.show("cam")?.state, SessionState::Running);
    client.say("get 10000")?;
    let pid = client.pid();
    ensure!(client.leave()?.success());
    let certificate = watched.end()?;
    assert_eq!(settled(&certificate, pid, 1, 1)?, dead);
    assert_eq!(certificate.counts.frames_reconciled, 80);
    Ok(())
}

#[test]
fn threads_end_inside_calls_watched_or_not_then_each_credited() -> Result<()> {
    ended_inside_calls_of_a_running_session("required")?;
    // No probe tells: the periodic check finds them.
    ended_inside_calls_of_a_running_session("off")
}

#[test]
fn threads_end_while_the_session_stops_then_each_settled_once() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    control.pattern("source", 5000)?;
    let mut client = rig.user("cam")?;
    let mut dead = BTreeSet::new();
    for round in 0..20 {
        client.send("exit-taking 2")?;
        // So that a stop meets them before, amid and after.
        std::thread::sleep(Duration::from_millis(3 * round));
        control.stop("cam")?;
        control.start("cam")?;
        dead.extend(tids(&client.answer("exit-taking")?)?);
        control.stop("cam")?;
        control.start("cam")?;
    }
    let certificate = control.end("cam")?;
    assert_eq!(settled(&certificate, client.pid(), 1, 1)?, dead);
    assert_eq!(certificate.counts.frames_reconciled, 40);
    balanced(&certificate, 0)
}

#[test]
fn thread_gets_the_number_of_a_dead_one_then_only_that_settled() -> Result<()> {
    // No probe tells of the exit, so that the periodic check finds both.
    let rig = Rig::rings_with(|config| config.probe = "off")?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    let mut client = rig.user("cam")?;
    for _ in 0..3 {
        let [dead] = client
            .tids("exit-inside 1")?
            .into_iter()
            .collect::<Vec<_>>()[..]
        else {
            anyhow::bail!("one thread");
        };
        let pid = client.pid();
        wait_for("the thread to end", 30, || {
            Ok(!threads(pid)?.contains(&dead))
        })?;
        // A thread's start is known to one tick of 10 ms.
        let ended = Instant::now();
        wait_for("some ticks to pass", 30, || {
            Ok(ended.elapsed() > Duration::from_millis(30))
        })?;
        client.say(format_args!("reincarnate {dead}"))?;
        wait_for("its successor to sleep", 30, || {
            Ok(blocked(pid)?.contains(&dead))
        })?;
        wait_for("the dead one to be settled", 30, || {
            let blockers = control.blockers("cam")?.blockers;
            let exited = blockers.iter().any(|it| it.kind == BlockerKind::Exited);
            let inside = blockers.iter().any(|it| it.tid == Some(dead));
            Ok(!exited && inside)
        })?;
        control.stop("cam")?;
        assert_eq!(client.returned(1)?, [(dead, "EAGAIN".to_owned())]);
        control.start("cam")?;
    }
    let certificate = control.end("cam")?;
    assert_eq!(
        certificate.reconciled.len(),
        3,
        "{:#?}",
        certificate.reconciled
    );
    settled(&certificate, client.pid(), 0, 1)?;
    Ok(())
}

#[test]
fn thread_ended_with_a_frame_then_named_until_its_process_ends() -> Result<()> {
    let (rig, mut control) = Rig::with_cam()?;
    control.pattern("source", 5000)?;
    let mut client = rig.user("cam")?;
    client.say("exit-holding")?;
    control.stop("cam")?;
    let refusal = control.try_destroy("cam")?;
    assert_eq!(refusal.code(), "busy");
    let blockers = control.blockers("cam")?.blockers;
    let [blocker] = &blockers[..] else {
        panic!("one thread holds one frame: {blockers:#?}");
    };
    assert_eq!(
        (blocker.pid, blocker.kind),
        (client.pid(), BlockerKind::Exited)
    );
    assert_eq!(blocker.held_frames.len(), 1);
    client.leave()?;
    let certificate = control.destroy_wait("cam")?;
    assert_eq!(certificate.counts.frames_reconciled, 1);
    balanced(&certificate, 0)?;
    Ok(())
}
