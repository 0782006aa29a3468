//! Act 3: destroy is refused while there are users; one is killed, the others are stopped and
//! leave; then the session is destroyed, and certified.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::act1_frames::{Callers, THREADS};
use super::scene::Scene;
use crate::say;

pub(crate) fn play(scene: &mut Scene<'_>, callers: Callers) -> Result<()> {
    say::step("Act 3 · stop, then destroy");
    let Callers {
        mut verifier,
        mut holder,
    } = callers;
    let problem = scene.ctl.refused(&["session", "destroy", "studio"])?;
    say::good(format_args!(
        "refused: {}",
        problem["detail"].as_str().unwrap_or_default()
    ));
    scene.report.destroy_refused = true;

    say::command(format_args!("kill -9 {}", holder.pid()));
    let killed = holder.pid();
    holder.running().kill()?;

    scene.ctl.tell(&["session", "stop", "studio"])?;
    let mut last = 0;
    for _ in 0..THREADS {
        let returned = verifier.event("returned")?;
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
    verifier.leave()?;
    say::good(format_args!(
        "all {THREADS} callers returned EAGAIN, and their process has left"
    ));

    let certificate = scene
        .ctl
        .tell(&["session", "destroy", "studio", "--wait", "10s"])?;
    let stop = step(&certificate, "stop_requested")?;
    let micros = (last as f64 - stop as f64) / 1000.0;
    scene.report.stop_to_last_return_us = Some(micros);
    say::good(format_args!(
        "from the stop to the last caller's return: {micros:.0} µs"
    ));
    scene.report.reconciled = certificate["reconciled"]
        .as_array()
        .is_some_and(|entries| entries.iter().any(|entry| entry["pid"] == killed));
    scene.report.certificate = certificate;
    ensure!(
        scene.report.reconciled,
        "the certificate does not say that process {killed}, which was killed, was reconciled"
    );
    scene.ctl.show(&["session", "certificate", "studio"])?;
    Ok(())
}

/// The monotonic time, in ns, of a step of a certificate.
pub(crate) fn step(certificate: &Value, name: &str) -> Result<u64> {
    certificate["steps"]
        .as_array()
        .and_then(|steps| steps.iter().find(|step| step["step"] == name)?["monotonic_ns"].as_u64())
        .with_context(|| format!("the certificate has no step {name}"))
}
