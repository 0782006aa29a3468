//! Act 3: destroy is refused while the session runs, and while it has users; one is killed, the
//! others are stopped and leave; then the session is destroyed, and certified.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::act1_frames::{Callers, THREADS};
use super::scene::Scene;
use crate::say;
use onair_stage::TestClient;

pub(crate) fn play(scene: &mut Scene<'_>, callers: Callers) -> Result<()> {
    say::step("Act 3 · stop, then destroy");
    let Callers {
        verifier,
        mut doomed,
        mut late,
    } = callers;
    scene.ctl.refused(&["session", "destroy", "studio"])?;
    say::good("refused: it runs");

    let killed = doomed.pid();
    say::command(format_args!("kill -9 {killed}"));
    doomed.running().kill()?;
    scene.ctl.document(&["session", "stop", "studio"])?;
    let last_return = all_return(verifier)?;
    say::good(format_args!(
        "all {THREADS} callers returned EAGAIN, and their process has left"
    ));

    let problem = scene.ctl.refused(&["session", "destroy", "studio"])?;
    scene.report.destroy_refused = names(&problem["blockers"], late.pid());
    ensure!(
        scene.report.destroy_refused,
        "the refusal does not name process {}, which holds a frame: {problem}",
        late.pid()
    );
    say::good(format_args!(
        "refused, with the name of who is in the way: process {}",
        late.pid()
    ));

    let destroy = scene
        .ctl
        .begin(&["session", "destroy", "studio", "--wait", "10s"])?;
    scene.wait_draining("studio")?;
    late.say("put")?;
    say::good(format_args!(
        "process {} has given its frame back",
        late.pid()
    ));
    ensure!(late.leave()?.success(), "a client failed");
    let certificate = destroy.end()?;
    scene.ctl.show(&["session", "certificate", "studio"])?;

    let stop = step(&certificate, "stop_requested")?;
    let to_return = micros(stop, last_return);
    let to_certificate = micros(
        step(&certificate, "last_user_left")?,
        step(&certificate, "destroyed")?,
    );
    scene.report.stop_to_last_return_us = Some(to_return);
    scene.report.last_user_to_certificate_us = Some(to_certificate);
    scene.report.reconciled = names(&certificate["reconciled"], killed);
    scene.report.certificate = certificate;
    ensure!(
        scene.report.reconciled,
        "the certificate does not say that process {killed}, which was killed, was reconciled"
    );
    say::good(format_args!(
        "what process {killed} left behind was settled, once"
    ));
    say::good(format_args!(
        "{to_return:.0} µs from the stop to the last caller's return"
    ));
    say::good(format_args!(
        "{to_certificate:.0} µs from the last user's leaving to the certificate"
    ));
    Ok(())
}

/// Waits until all threads of the client have returned EAGAIN and it has ended; when the last of
/// them returned, by the monotonic clock in ns.
fn all_return(mut client: TestClient) -> Result<u64> {
    let mut last = 0;
    for _ in 0..THREADS {
        let returned = client.event("returned")?;
        ensure!(
            returned["result"] == "EAGAIN",
            "a blocked caller returned {} at the stop, not EAGAIN",
            returned["result"]
        );
        last = last.max(
            returned["monotonic_ns"]
                .as_u64()
                .context("no time in `returned`")?,
        );
    }
    ensure!(client.leave()?.success(), "a client failed");
    Ok(last)
}

/// Whether one of the entries is about process `pid`.
fn names(entries: &Value, pid: u32) -> bool {
    entries
        .as_array()
        .is_some_and(|entries| entries.iter().any(|entry| entry["pid"] == pid))
}

/// From one monotonic time in ns to another, in µs.
fn micros(from: u64, to: u64) -> f64 {
    to.saturating_sub(from) as f64 / 1000.0
}

/// The monotonic time, in ns, of a step of a certificate.
fn step(certificate: &Value, name: &str) -> Result<u64> {
    certificate["steps"]
        .as_array()
        .and_then(|steps| steps.iter().find(|step| step["step"] == name)?["monotonic_ns"].as_u64())
        .with_context(|| format!("the certificate has no step {name}"))
}
