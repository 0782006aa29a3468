//! What the service manager hears: a stuck poller and a stuck control thread show.

use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_tests::{Backend, Config, Deadline, Frozen, Rig, ServiceManager, until};

/// Four looks in it.
const WATCHDOG: Duration = Duration::from_secs(2);
const FED: &str = "WATCHDOG=1";

#[test]
fn watchdog_poller_or_control_stuck_then_not_fed_until_it_moves() -> Result<()> {
    let mut manager = None;
    let mut rig = Rig::with(Config::pair(Backend::AfXdp), |command| {
        manager = Some(ServiceManager::before(command, WATCHDOG));
    })?;
    let manager = manager.context("it was started")??;
    // Pollers sleep on their sockets: they are woken for it.
    for _ in 0..4 {
        manager.wait(FED)?;
    }
    let pid = rig.daemon()?.pid();

    let frozen = Frozen::thread(pid, "onair-p0")?;
    manager.wait_silent(FED, WATCHDOG)?;
    let log = rig.daemon()?.log();
    assert!(log.contains("a poller makes no turn"), "{log}");
    assert!(rig.control()?.health()?.live, "the control thread answers");
    drop(frozen);
    manager.wait(FED)?;

    let frozen = Frozen::thread(pid, "control")?;
    manager.wait_silent(FED, WATCHDOG)?;
    drop(frozen);
    manager.wait(FED)?;
    manager.wait(FED)?;

    rig.stop_daemon()?;
    until("the end to be told", Deadline::seconds(30), || {
        Ok(manager.heard("STOPPING=1").first().map(drop))
    })?;
    let status = manager.heard("STATUS=");
    assert!(!status.is_empty(), "no STATUS= at the end");
    // The manager waits for its TimeoutStopSec then.
    assert!(!manager.heard("WATCHDOG_USEC=").is_empty());
    Ok(())
}
