//! Act 4: a counter in shared memory lies. The counters see no user, the kernel sees
//! one: nothing is freed.

use anyhow::{Result, ensure};
use onair_stage::{Deadline, until};
use rustix::process::Signal;
use serde_json::Value;

use super::scene::{Direction, Scene};
use crate::say;
use onair_stage::TestClient;

pub(crate) fn play(scene: &mut Scene<'_>) -> Result<()> {
    say::step("Act 4 · a counter that lies");
    if !scene.watched() {
        say::warning(
            "left out: with the probe off there is no second witness to contradict the counters",
        );
        return Ok(());
    }
    scene.create("lie", Direction::Receive, 5006)?;
    scene.ctl.document(&["session", "start", "lie"])?;
    let mut liar = scene.client("onair-client", &[])?;
    liar.say("attach lie")?;
    liar.say("block 1")?;
    liar.blocked(1)?;
    liar.say("clear-slots")?;
    freeze(&mut liar)?;
    say::good(format_args!(
        "process {} is blocked, has cleared its own counter, and is frozen (SIGSTOP)",
        liar.pid()
    ));
    scene.ctl.document(&["session", "stop", "lie"])?;

    let problem = scene.ctl.refused(&["session", "destroy", "lie"])?;
    let verdict = &problem["verdict"];
    ensure!(
        users(verdict, "slots") == Some(0) && users(verdict, "probe") == Some(1),
        "the counters should say 0 and the probe 1: {problem}"
    );
    scene.report.disagreement_refused = verdict["disagreement"] == true;
    ensure!(
        scene.report.disagreement_refused,
        "the contradiction was not noticed: {problem}"
    );
    say::good("the counters say 0, the kernel says 1: refused, nothing is freed");

    let destroy = scene
        .ctl
        .begin(&["session", "destroy", "lie", "--wait", "10s"])?;
    scene.wait_draining("lie")?;
    say::command(format_args!("kill -CONT {}", liar.pid()));
    liar.running().signal(Signal::CONT)?;
    liar.event("returned")?;
    ensure!(liar.leave()?.success(), "a client failed");
    let certificate = destroy.end()?;
    ensure!(
        certificate["disagreements"]
            .as_array()
            .is_some_and(|list| !list.is_empty()),
        "the certificate does not mention the contradiction: {certificate}"
    );
    say::good(
        "the caller has left, the session is destroyed; the certificate tells of the contradiction",
    );
    Ok(())
}

/// Stops the process with SIGSTOP, and waits until it stands.
fn freeze(client: &mut TestClient) -> Result<()> {
    client.running().signal(Signal::STOP)?;
    let path = format!("/proc/{}/stat", client.pid());
    until("the client to stand still", Deadline::seconds(5), || {
        Ok(std::fs::read_to_string(&path)?
            .contains(") T ")
            .then_some(()))
    })
}

/// How many users the reading `name` has seen.
fn users(verdict: &Value, name: &str) -> Option<u64> {
    let readings = verdict["readings"].as_array()?;
    readings.iter().find(|reading| reading["name"] == name)?["users"].as_u64()
}
