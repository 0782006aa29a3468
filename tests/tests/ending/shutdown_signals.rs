//! Signals of many senders at once.

use std::process::Command;

use anyhow::{Context as _, Result};
use onair_api::ShutdownPhase;
use onair_tests::{Rig, await_drain, holding, in_order, shutdown_status, signal};
use rustix::process::Signal;

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown__concurrent_signals__then_single_shutdown() -> Result<()> {
    let mut rig = Rig::rings_and("[shutdown]\ndebounce_ms = 60000\n")?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    let pid = rig.daemon()?.pid();
    let storm = "while kill -TERM $0 2>/dev/null && kill -INT $0 2>/dev/null; do :; done";
    let mut senders = Vec::new();
    for _ in 0..8 {
        let sender = Command::new("timeout")
            .args(["60", "sh", "-c", storm, &pid.to_string()])
            .spawn()
            .context("a sender of signals")?;
        senders.push(sender);
    }
    await_drain(&mut control)?;
    // These land after the first one: the daemon lives, drains, and has taken each of them at the end.
    for _ in 0..100 {
        signal(&mut rig, Signal::TERM)?;
        signal(&mut rig, Signal::INT)?;
    }
    let status = shutdown_status(&mut control)?;
    assert!(status.phase == ShutdownPhase::Draining && !status.forced);
    client.say("put-all")?;
    let ended = rig.daemon_ends();
    for sender in &mut senders {
        sender.wait()?;
    }
    let (status, summary) = ended?;
    assert_eq!(status, 0, "{summary:#?}");
    in_order(&summary);
    assert!(!summary.forced);
    let log = rig.last_log();
    assert_eq!(log.matches("shutdown phase=draining").count(), 1, "{log}");
    Ok(())
}
