//! Nothing that a client or an operator does holds the control thread: it answers, and it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use onair_api::{SessionState, Source};
use onair_tests::{
    Control, Frozen, HangingFile, Raster, Rig, TestClient, only_child, program, send, wait_for,
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Health answers each of 100 requests. How fast: P20 and P25 of the benchmark.
fn answers(control: &mut Control) -> Result<()> {
    (0..100).try_for_each(|_| control.health().map(drop))
}

/// A send session `cam` with frames that wait to be sent, whose poller does not run; it was stopped and
/// is being started. Since when its poller does not run.
fn started_before_it_is_back(
    rig: &mut Rig,
    control: &mut Control,
) -> Result<(TestClient, Frozen, Instant)> {
    let raster = Raster::new(320, 180, 24, 8);
    control.create(&send("cam", raster, 5000, Source::Client))?;
    let mut client = rig.user("cam")?;
    client.say("submit 2")?;
    let since = Instant::now();
    let frozen = Frozen::thread(rig.daemon()?.pid(), "onair-p0")?;
    control.stop("cam")?;
    let mut operator = rig.control()?.into_http();
    operator.send("POST", "/v1/sessions/cam/start", &Value::Null)?;
    // What came before them was taken before they are answered.
    for _ in 0..3 {
        control.health()?;
    }
    // The request stays with its connection.
    std::mem::forget(operator);
    Ok((client, frozen, since))
}

#[test]
fn session_destroyed_while_a_start_waits_then_refused_and_runs() -> Result<()> {
    for _ in 0..10 {
        let (mut rig, mut control) = Rig::with_control()?;
        let (client, frozen, since) = started_before_it_is_back(&mut rig, &mut control)?;
        let refusals = [
            control.try_destroy_wait("cam", 4000)?,
            control.try_destroy("cam")?,
        ];
        drop(frozen);
        // A poller that is held for longer counts as stalled: then all is refused for that.
        if since.elapsed() > Duration::from_millis(500) {
            rig.kill_daemon()?;
            continue;
        }
        for refusal in refusals {
            refusal.refused(409, "running")?;
        }
        control.await_state("cam", SessionState::Running)?;
        answers(&mut control)?;
        control.stop("cam")?;
        client.leave()?;
        control.destroy_wait("cam")?;
        return rig.stop_daemon();
    }
    bail!("the machine is too busy to hold a poller for a moment")
}

#[test]
fn client_with_thousands_of_callers_stopped_then_health_answers() -> Result<()> {
    const SESSIONS: u16 = 40;
    const CALLERS: usize = 128;
    let (rig, mut control) = Rig::with_control()?;
    let mut client = rig.test_client()?;
    for number in 0..SESSIONS {
        let name = format!("cam{number}");
        control.receiver(&name, 5000 + number)?;
        client.say(format_args!("attach {name}"))?;
        client.block(CALLERS)?;
    }
    client.freeze()?;
    for number in 0..SESSIONS {
        control.stop(format!("cam{number}"))?;
    }
    answers(&mut control)?;
    client.thaw()?;
    client.returned(usize::from(SESSIONS) * CALLERS)?;
    client.leave()?;
    for number in 0..SESSIONS {
        control.destroy_wait(format!("cam{number}"))?;
    }
    Ok(())
}

/// A client with 8,000 threads, in a pid namespace of its own.
fn crowded_client(rig: &Rig, program: &Path) -> Result<(TestClient, Pid)> {
    let inside = rig.stage().directory().join("inside");
    let text = "#!/bin/sh\nexec unshare --pid --fork --kill-child ";
    fs::write(&inside, format!("{text}{} \"$@\"\n", program.display()))?;
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
    let mut client = TestClient::start_as(rig.stage(), &inside)?;
    let pid = i32::try_from(only_child(client.pid())?)?;
    // Its pages of this are in memory from here on.
    client.say("attach other")?;
    client.say("drop")?;
    client.say("attach cam")?;
    client.say("idle 8000")?;
    client.say("count-me")?;
    Ok((client, Pid::from_raw(pid).context("a pid")?))
}

/// Stops `cam`, has all threads of its client looked at, and starts it again. Health answers.
fn is_served(control: &mut Control, when: &str) -> Result<()> {
    control.stop("cam")?;
    answers(control).with_context(|| when.to_owned())?;
    // Each list of blockers, each refusal, has all threads looked at.
    for _ in 0..3 {
        control.blockers("cam")?;
        assert_eq!(control.try_destroy("cam")?.code(), "busy", "{when}");
    }
    control.start("cam")?;
    Ok(())
}

#[test]
fn client_with_8000_threads_hangs_then_health_and_end_go_on() -> Result<()> {
    // Longer than the test takes.
    let mut rig = Rig::rings_with(|config| config.more += "[timeouts]\nprobe_arm_ms = 60000\n")?;
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    control.receiver("other", 5001)?;
    let folder = rig.stage().directory().join("hanging");
    let file = HangingFile::mount_program(&folder, &program("onair-client")?)?;
    let (mut client, process) = crowded_client(&rig, &file.path())?;
    is_served(&mut control, "it runs")?;
    kill_process(process, Signal::STOP)?;
    is_served(&mut control, "it stands")?;
    kill_process(process, Signal::CONT)?;
    file.hang();
    // Has the daemon look at the file again.
    client.send("attach other")?;
    wait_for("a look to hang", 30, || Ok(file.waiting() > 0))?;
    is_served(&mut control, "its file hangs")?;
    kill_process(process, Signal::STOP)?;
    is_served(&mut control, "it stands, and its file hangs")?;
    control.stop("cam")?;
    rig.daemon()?.running().signal(Signal::TERM)?;
    wait_for("the end to begin", 20, || Ok(!control.health()?.ready))?;
    kill_process(process, Signal::KILL)?;
    drop(file);
    Ok(())
}
