//! Nothing that a client or an operator does holds the control thread: it answers, and it ends.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, Result};
use onair_tests::{Control, Rig, TestClient, only_child, program, wait_for};
use rustix::process::{Pid, Signal, kill_process};

/// Health answers each of 100 requests. How fast: P20 and P25 of the benchmark.
fn answers(control: &mut Control) -> Result<()> {
    (0..100).try_for_each(|_| control.health().map(drop))
}

/// A client with 8,000 threads, in a pid namespace of its own.
fn crowded_client(rig: &Rig) -> Result<(TestClient, Pid)> {
    let inside = rig.stage().directory().join("inside");
    let text = "#!/bin/sh\nexec unshare --pid --fork --kill-child ";
    fs::write(
        &inside,
        format!("{text}{} \"$@\"\n", program("onair-client")?.display()),
    )?;
    fs::set_permissions(&inside, fs::Permissions::from_mode(0o755))?;
    let mut client = TestClient::start_as(rig.stage(), &inside)?;
    let pid = i32::try_from(only_child(client.pid())?)?;
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
fn client_with_8000_threads_stands_then_health_and_end_go_on() -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    let (client, process) = crowded_client(&rig)?;
    is_served(&mut control, "it runs")?;
    kill_process(process, Signal::STOP)?;
    is_served(&mut control, "it stands")?;
    control.stop("cam")?;
    rig.daemon()?.running().signal(Signal::TERM)?;
    wait_for("the end to begin", 20, || Ok(!control.health()?.ready))?;
    kill_process(process, Signal::KILL)?;
    drop(client);
    Ok(())
}
