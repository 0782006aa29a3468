//! Unique identity of a daemon: the kernel reuses pids.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use onair_mutant::mutant;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::clients::threads::Stat;

/// A process of this or of an earlier boot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Pid in its own pid namespace.
    pub pid: u32,
    /// Start time in clock ticks since boot (field 22 of proc_pid_stat(5)).
    pub started_ticks: u64,
    /// Inode of its pid namespace.
    pub pid_namespace: u64,
    /// The kernel's boot id.
    pub boot_id: String,
}

/// Status of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProcessStatus {
    /// It runs.
    Lives,
    /// It was killed, and the kernel still takes it down.
    Dying,
    /// It is gone, with everything that ends with a process.
    Gone,
    /// It is or was in another pid namespace: not visible from here.
    Elsewhere,
    /// The machine has rebooted: the kernel has nothing of it.
    BeforeBoot,
}

impl Owner {
    /// This process.
    ///
    /// # Errors
    /// `/proc` is not readable.
    pub fn me() -> std::io::Result<Self> {
        Self::of(std::process::id())
    }

    /// A process in the pid namespace of this one.
    ///
    /// # Errors
    /// The process is gone, or `/proc` is not readable.
    pub(super) fn of(pid: u32) -> std::io::Result<Self> {
        let no_stat =
            || std::io::Error::other(format!("cannot read /proc/{pid}/stat: mount /proc"));
        Ok(Self {
            pid,
            started_ticks: started_ticks(pid).ok_or_else(no_stat)?,
            pid_namespace: fs::metadata("/proc/self/ns/pid")?.ino(),
            boot_id: boot_id()?,
        })
    }

    /// Status, as seen from this process.
    pub fn status(&self) -> std::io::Result<ProcessStatus> {
        let me = Self::me()?;
        if self.boot_id != me.boot_id {
            return Ok(ProcessStatus::BeforeBoot);
        }
        if self.pid_namespace != me.pid_namespace {
            return Ok(ProcessStatus::Elsewhere);
        }
        if started_ticks(self.pid) != Some(self.started_ticks) {
            return Ok(ProcessStatus::Gone);
        }
        // The first thread may be a zombie while others still close the process's files.
        let threads = crate::clients::threads::of(self.pid);
        Ok(
            match (threads.is_empty(), threads.iter().all(|it| it.is_ending)) {
                (true, _) => ProcessStatus::Gone,
                (false, true) => ProcessStatus::Dying,
                (false, false) => ProcessStatus::Lives,
            },
        )
    }

    /// Whether the process of its number has this name.
    pub(super) fn is_called(&self, name: &str) -> bool {
        let comm = fs::read_to_string(format!("/proc/{}/comm", self.pid)).unwrap_or_default();
        comm.trim_end() == name
    }

    /// Kills it if it is certainly this process and its name is `name`. Returns whether it was killed.
    ///
    /// # Errors
    /// `/proc` is not readable, or the kernel refuses the signal.
    pub(super) fn kill(&self, name: &str) -> std::io::Result<bool> {
        let Some(pid) = i32::try_from(self.pid).ok().and_then(Pid::from_raw) else {
            return Ok(false);
        };
        // What is checked below is of this descriptor's process: if the number was given to another one
        // before, the start time differs; if it is given later, the descriptor's process is gone.
        let process = match pidfd_open(pid, PidfdFlags::empty()) {
            Err(rustix::io::Errno::SRCH) => return Ok(false),
            opened => opened?,
        };
        let is_it = self.status()? == ProcessStatus::Lives && self.is_called(name);
        if !mutant!(
            "start: any process of the guardian's number is killed",
            true,
            is_it
        ) {
            return Ok(false);
        }
        match pidfd_send_signal(&process, Signal::KILL) {
            Err(rustix::io::Errno::SRCH) => Ok(false),
            sent => Ok(sent.map(|()| true)?),
        }
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "daemon {}", self.pid)
    }
}

fn boot_id() -> std::io::Result<String> {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id")?;
    Ok(text.trim().to_owned())
}

fn started_ticks(pid: u32) -> Option<u64> {
    Stat::read(Path::new(&format!("/proc/{pid}")))?.number(22)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn process_of_another_name_or_start_time_is_not_killed() {
        let mut other = Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner::of(other.id()).unwrap();
        assert!(!owner.kill("onaird-guardian").unwrap());
        let started_ticks = owner.started_ticks + 1;
        let later = Owner {
            started_ticks,
            ..owner
        };
        assert!(!later.kill("sleep").unwrap());
        assert!(other.try_wait().unwrap().is_none(), "it lives");
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn owner_of_each_kind_then_its_status() {
        let me = Owner::me().unwrap();
        assert_eq!(me.status().unwrap(), ProcessStatus::Lives);
        let status = |change: fn(&mut Owner)| {
            let mut other = Owner::me().unwrap();
            change(&mut other);
            other.status().unwrap()
        };
        assert_eq!(status(|it| it.started_ticks += 1), ProcessStatus::Gone);
        assert_eq!(status(|it| it.pid_namespace += 1), ProcessStatus::Elsewhere);
        assert_eq!(status(|it| it.boot_id.push('0')), ProcessStatus::BeforeBoot);
    }

    #[test]
    fn owner_killed_then_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let owner = Owner {
            pid: child.id(),
            started_ticks: started_ticks(child.id()).unwrap(),
            ..Owner::me().unwrap()
        };
        assert_eq!(owner.status().unwrap(), ProcessStatus::Lives);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(owner.status().unwrap(), ProcessStatus::Gone);
    }
}
