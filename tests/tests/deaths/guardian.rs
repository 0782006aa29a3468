//! The daemon's guardian: the callers of a daemon that dies are told before its memory and its files go,
//! and the next daemon starts when they are gone.

use std::fs;
use std::os::unix::process::ExitStatusExt as _;

use anyhow::{Context as _, Result, ensure};
use onair_api::{Source, SpecDocument};
use onair_stage::ProcessId;
use onair_tests::{Deadline, Raster, Rig, TestClient, receive, send, threads, wait_for};
use rustix::process::Signal;

const CALLERS: usize = 4;
/// Less than a frame of [`LARGE`]: more of them have no memory without a client.
const LIMIT: u64 = 16 << 20;
const LARGE: Raster = Raster::new(4096, 2160, 5, 10);

/// The guardian of daemon `pid`.
fn guardian(pid: u32) -> Result<Option<ProcessId>> {
    for tid in threads(pid)? {
        let children = fs::read_to_string(format!("/proc/{pid}/task/{tid}/children"));
        for child in children.unwrap_or_default().split_ascii_whitespace() {
            let name = fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
            if name.trim_end() == "onaird-guardian" {
                return Ok(ProcessId::of(child.parse()?));
            }
        }
    }
    Ok(None)
}

/// A session with blocked callers; packets for it; the daemon's guardian.
fn busy(rig: &mut Rig) -> Result<(TestClient, ProcessId)> {
    let mut control = rig.control()?;
    control.receiver("cam", 5000)?;
    control.pattern("source", 5001)?;
    let mut client = rig.user("cam")?;
    client.block(CALLERS)?;
    let guardian = guardian(rig.daemon()?.pid())?;
    Ok((client, guardian.context("the daemon has no guardian")?))
}

#[test]
fn guardian_stopped_or_killed_then_callers_are_told_anyway() -> Result<()> {
    let (mut rig, _) = Rig::with_control()?;
    let (mut client, guardian) = busy(&mut rig)?;
    guardian.signal(Signal::STOP)?;
    rig.kill_daemon()?;
    client.all_returned(CALLERS, "ESTALE")?;
    ensure!(guardian.alive(), "it has ended");
    rig.start_daemon()?;
    ensure!(!guardian.alive(), "the next daemon started beside it");
    let said = rig.daemon()?.log();
    ensure!(
        said.contains("killed the guardian of the previous"),
        "{said}"
    );
    // Its ports are free.
    let next = busy(&mut rig)?;
    another_takes_its_place(&mut rig, next)
}

/// A guardian that is killed is logged, and another takes its place.
fn another_takes_its_place(
    rig: &mut Rig,
    (mut client, first): (TestClient, ProcessId),
) -> Result<()> {
    let pid = rig.daemon()?.pid();
    for signal in [Signal::TERM, Signal::INT] {
        first.signal(signal)?;
    }
    first.signal(Signal::KILL)?;
    wait_for("another guardian", 20, || {
        Ok(guardian(pid)?.is_some_and(|it| it != first))
    })?;
    let said = rig.daemon()?.log();
    ensure!(said.contains("the daemon's guardian was killed"), "{said}");
    let second = guardian(pid)?.context("it is gone again")?;
    rig.kill_daemon()?;
    client.all_returned(CALLERS, "ESTALE")?;
    ensure!(
        second.wait_end(Deadline::seconds(20))?,
        "it was left behind"
    );
    // In order, it ends with the daemon.
    rig.start_daemon()?;
    let third = guardian(rig.daemon()?.pid())?.context("the daemon has no guardian")?;
    rig.stop_daemon()?;
    ensure!(!third.alive(), "it was left behind");
    Ok(())
}

#[test]
fn daemon_out_of_memory_then_callers_are_told_and_nothing_stays() -> Result<()> {
    let mut rig = Rig::rings()?;
    let (mut client, guardian) = busy(&mut rig)?;
    let limit = rig.stage().memory_limit(LIMIT)?;
    limit.hold(rig.daemon()?.pid())?;
    let mut control = rig.control()?;
    control.create(&SpecDocument {
        quota: Some(4),
        max_attachments: Some(1),
        ..receive("large", LARGE, 5002)
    })?;
    control.create(&send("pattern", LARGE, 5002, Source::Pattern))?;
    let died = rig.take_daemon()?.running().wait(Deadline::seconds(60))?;
    ensure!(died.signal() == Some(9), "it ended with {died}");
    ensure!(limit.kills()? >= 1, "it was not the memory that killed it");
    client.all_returned(CALLERS, "ESTALE")?;
    ensure!(
        guardian.wait_end(Deadline::seconds(20))?,
        "it was left behind"
    );
    rig.start_daemon()?;
    busy(&mut rig).map(drop)
}
