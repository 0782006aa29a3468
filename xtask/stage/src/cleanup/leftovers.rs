//! Taking down: what a run put up, and what runs that were killed left behind.

use std::fs;
use std::time::Duration;

use anyhow::{Result, anyhow};
use rustix::process::Signal;

use crate::cleanup::record::Record;
use crate::cleanup::run::{RUN_VARIABLE, Run};
use crate::machine::folder::Folder;
use crate::machine::namespace;
use crate::machine::runtime_folders;
use crate::process::{ProcessId, all_pids};
use crate::until::Deadline;

/// How long a process may take to end by itself: a daemon gives its clients ten seconds, and then
/// detaches its probes.
const GRACE: Duration = Duration::from_secs(15);

/// Takes down what runs whose owner is dead left behind, and says what that was, a line each.
///
/// # Errors
/// When something could not be taken down: the message lists all of it.
pub fn take_down_leftovers() -> Result<Vec<String>> {
    let mut said = Vec::new();
    let mut failures = Vec::new();
    let strays = strays();
    said.extend(
        strays
            .iter()
            .map(|stray| format!("process {} ({})", stray.id.pid, stray.command)),
    );
    failures.extend(end(&strays, GRACE).err());

    let folder = Folder::open()?;
    for record in folder.records()? {
        if record.run.owner.alive() {
            continue;
        }
        said.extend(record.resources.iter().rev().map(ToString::to_string));
        failures.extend(undo(&folder, &record).err());
    }
    all(failures).map(|()| said)
}

/// Ends the processes of `record`'s run and takes down all its resources, the last first.
pub(crate) fn take_down(record: &Record) -> Result<()> {
    let ended = end_run(record.run, GRACE).err();
    let folder = Folder::open()?;
    let undone = undo(&folder, record).err();
    all(ended.into_iter().chain(undone).collect())
}

/// Ends all processes of `run`: asks them to, and kills those that are still there after `grace`.
///
/// # Errors
/// When one survives that too.
pub fn end_run(run: Run, grace: Duration) -> Result<()> {
    let own: Vec<_> = processes()
        .into_iter()
        .filter(|process| process.run == run)
        .collect();
    end(&own, grace)
}

/// Takes down the things of `record` and forgets it. It is forgotten also when a part fails, since
/// a second attempt would fail the same way and block every later run; the error names the part.
fn undo(folder: &Folder, record: &Record) -> Result<()> {
    let mut failures: Vec<_> = record
        .resources
        .iter()
        .rev()
        .filter_map(|it| it.undo(folder).err())
        .collect();
    failures.extend(folder.forget(record.run).err());
    if folder.records()?.is_empty() {
        failures.extend(namespace::remove_root(folder).err());
        failures.extend(runtime_folders::remove_noted(folder).err());
    }
    all(failures)
}

/// A process that some run started, directly or not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Started {
    pub(crate) id: ProcessId,
    pub(crate) run: Run,
    pub(crate) command: String,
}

/// All processes of all runs, but for this one.
pub(crate) fn processes() -> Vec<Started> {
    all_pids()
        .into_iter()
        .filter(|&pid| pid != std::process::id())
        .filter_map(started)
        .collect()
}

fn started(pid: u32) -> Option<Started> {
    let id = ProcessId::of(pid)?;
    let environment = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let run = environment.split(|&byte| byte == 0).find_map(|variable| {
        let value = std::str::from_utf8(variable)
            .ok()?
            .strip_prefix(RUN_VARIABLE)?
            .strip_prefix('=')?;
        value.parse().ok()
    })?;
    let command = fs::read_to_string(format!("/proc/{pid}/comm"))
        .ok()?
        .trim()
        .to_owned();
    Some(Started { id, run, command })
}

/// Processes of runs whose owner is gone. The owner of a run in a container has a pid of the container.
fn strays() -> Vec<Started> {
    let mut strays = processes();
    strays.retain(|it| !it.run.owner.alive_below());
    strays
}

fn end(processes: &[Started], grace: Duration) -> Result<()> {
    for signal in [Signal::TERM, Signal::CONT] {
        for process in processes {
            process.id.signal(signal)?;
        }
    }
    let grace = Deadline::after(grace);
    let mut left = Vec::new();
    for process in processes {
        if !process.id.wait_end(grace)? {
            process.id.signal(Signal::KILL)?;
            left.push(process);
        }
    }
    let last = Deadline::after(GRACE);
    for process in left {
        if !process.id.wait_end(last)? {
            return Err(anyhow!(
                "process {} ({}) does not end, not even by SIGKILL",
                process.id.pid,
                process.command
            ));
        }
    }
    Ok(())
}

fn all(failures: Vec<anyhow::Error>) -> Result<()> {
    if failures.is_empty() {
        return Ok(());
    }
    let list: Vec<_> = failures
        .iter()
        .map(|failure| format!("{failure:#}"))
        .collect();
    Err(anyhow!(
        "could not take down everything: {}",
        list.join("; ")
    ))
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::process::Running;
    use crate::until::wait_for;

    #[test]
    fn run_of_another_pid_namespace_then_no_leftover_while_it_lives() {
        let script = "start=$(cut -d' ' -f22 /proc/1/stat)
            ONAIR_RUN=1-$start-0 sleep 60.0001 & wait";
        let mut unshare = Command::new("unshare");
        unshare.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        let child = unshare.args(["sh", "-c", script]).spawn().unwrap();
        let _there = Running::new("unshare", child).unwrap();
        let sleeps = |it: &Started| {
            let line = fs::read(format!("/proc/{}/cmdline", it.id.pid)).unwrap_or_default();
            line.ends_with(b"60.0001\0")
        };
        wait_for("its start", 10, || Ok(processes().iter().any(sleeps))).unwrap();
        assert!(!strays().iter().any(sleeps));
    }
}
