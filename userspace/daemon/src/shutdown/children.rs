//! Orphans: as PID 1, or as a subreaper, the daemon inherits them and reaps them. It does not reap
//! children that one of its own threads waits for.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;

use super::coordinator::lock;

use crate::threads::Stat;

/// The children that the daemon's own threads wait for. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Children(Arc<Mutex<BTreeSet<i32>>>);

/// A child that its owner waits for, until this is dropped.
#[derive(Debug)]
pub struct OwnChild(Children, i32);

impl Children {
    /// Starts a child with `spawn`, which returns its pid, and registers it. The child cannot be
    /// reaped between the two.
    ///
    /// # Errors
    /// The error of `spawn`.
    pub fn spawning<T>(
        &self,
        spawn: impl FnOnce() -> std::io::Result<(T, u32)>,
    ) -> std::io::Result<(T, OwnChild)> {
        let mut own = lock(&self.0);
        let (child, pid) = spawn()?;
        let pid = i32::try_from(pid).map_err(std::io::Error::other)?;
        own.insert(pid);
        Ok((child, OwnChild(self.clone(), pid)))
    }

    /// Reaps every dead child without an owner. Returns how many. Never blocks.
    pub fn reap(&self) -> usize {
        let is_reaper = rustix::process::getpid().is_init()
            || rustix::process::child_subreaper().is_ok_and(|it| it.is_some());
        if !is_reaper {
            // Then the daemon started every child.
            return 0;
        }
        let own = lock(&self.0);
        let mut reaped = 0;
        loop {
            let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
            let dead = waitid(Id::All, look).ok().and_then(|status| status.pid());
            let Some(pid) = dead else {
                return reaped;
            };
            if own.contains(&pid.as_raw()) {
                // The owned child hides those behind it.
                return reaped + reap_each(&own);
            }
            if !reap(pid) {
                return reaped;
            }
            reaped += 1;
        }
    }
}

/// Checks each child alone: every process whose parent is this one (proc_pid_stat(5)).
fn reap_each(own: &BTreeSet<i32>) -> usize {
    let Ok(processes) = std::fs::read_dir("/proc") else {
        return 0;
    };
    let me = u64::from(std::process::id());
    let children = processes.flatten().filter_map(|process| {
        let pid: i32 = process.file_name().to_str()?.parse().ok()?;
        let parent = Stat::read(&process.path())?.number(4)?;
        (parent == me).then_some(pid)
    });
    let others = children.filter(|pid| !own.contains(pid));
    others.filter(|&pid| reap(Pid::from_raw(pid))).count()
}

/// Reaps one child if it is dead.
fn reap(pid: Pid) -> bool {
    let reaped = waitpid(pid, Some(WaitPidFlag::WNOHANG));
    let is_reaped = reaped.is_ok_and(|status| status != WaitStatus::StillAlive);
    if is_reaped {
        tracing::debug!(%pid, "reaped an orphan");
    }
    is_reaped
}

impl Drop for OwnChild {
    fn drop(&mut self) {
        lock(&self.0.0).remove(&self.1);
    }
}
