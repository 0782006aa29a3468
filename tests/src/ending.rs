//! The end of a daemon, as tests begin it and look at it.

use anyhow::{Context as _, Result};
use onair_api::SessionName;
use onair_api::operations::ShowShutdown;
use onair_api::{PartOutcome, SessionSummary, ShutdownPhase, ShutdownStatus, ShutdownSummary};
use rustix::process::Signal;

use crate::{Control, Rig, TestClient, wait_for};

/// Parts that every daemon accounts for.
const PARTS: [&str; 11] = [
    "clients",
    "sessions",
    "sockets",
    "requests in flight",
    "certificates",
    "persistent sessions",
    "pollers and ports",
    "probe",
    "reclaimer",
    "control thread",
    "kernel-visible resources",
];

/// Threads that every daemon accounts for, beside its pollers.
const THREADS: [&str; 5] = ["archive", "store", "reclaimer", "freshener", "control"];

/// Sends the daemon a signal.
pub fn signal(rig: &mut Rig, signal: Signal) -> Result<()> {
    rig.daemon()?.running().signal(signal)
}

/// How far the end has got.
pub fn shutdown_status(control: &mut Control) -> Result<ShutdownStatus> {
    control.call::<ShowShutdown>(&())
}

/// Waits until the daemon drains sessions that have users.
///
/// # Errors
/// Not within half a minute.
pub fn await_drain(control: &mut Control) -> Result<()> {
    wait_for("the drain", 30, || {
        let status = shutdown_status(control)?;
        Ok(status.phase == ShutdownPhase::Draining && status.users > 0)
    })
}

/// What became of the session of this name.
pub fn of<'a>(summary: &'a ShutdownSummary, name: &str) -> Result<&'a SessionSummary> {
    let mut sessions = summary.sessions.iter();
    let name: SessionName = name.parse()?;
    let found = sessions.find(|it| it.name == name);
    found.with_context(|| format!("{name} in {summary:#?}"))
}

/// Every phase is there once, in order and timed, every part and every thread ended in order.
///
/// # Panics
/// When that is not so.
pub fn in_order(summary: &ShutdownSummary) {
    let phases: Vec<_> = summary.phases.iter().map(|it| it.phase).collect();
    assert_eq!(phases, ShutdownPhase::ALL[1..], "{summary:#?}");
    for part in &summary.parts {
        assert_eq!(part.outcome, PartOutcome::Done, "{part:?}");
    }
    for thread in &summary.threads {
        assert!(thread.stopped && thread.panic.is_none(), "{thread:?}");
    }
    for name in PARTS {
        let found = summary.parts.iter().any(|part| part.name == name);
        assert!(found, "{name} is not accounted for: {:#?}", summary.parts);
    }
    for name in THREADS {
        let found = summary.threads.iter().any(|thread| thread.name == name);
        assert!(found, "{name} is not accounted for: {:#?}", summary.threads);
    }
}

/// Waits for the end of the daemon, which must be in order, with status 0.
///
/// # Panics
/// Another status, or as [`in_order`].
pub fn ended_in_order(rig: &mut Rig) -> Result<ShutdownSummary> {
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0, "{summary:#?}");
    in_order(&summary);
    Ok(summary)
}

/// A client that holds a frame of the session `cam`, which it gets from `source`.
pub fn holding(rig: &Rig, control: &mut Control) -> Result<TestClient> {
    control.receiver("cam", 5000)?;
    control.pattern("source", 5000)?;
    let mut client = rig.user("cam")?;
    client.say("hold 1")?;
    Ok(client)
}

/// What a client has not read yet, one event after the other, until there is a refusal: that.
pub fn unread(client: &mut TestClient) -> Result<(Vec<String>, String)> {
    let mut kinds = Vec::new();
    loop {
        let answer = client.ask("poll 0")?;
        match answer["kind"].as_str() {
            Some(kind) => kinds.push(kind.to_owned()),
            None => {
                let errno = answer["error"]["errno"].as_str();
                return Ok((kinds, errno.unwrap_or_default().to_owned()));
            }
        }
    }
}
