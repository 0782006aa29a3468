//! A process, by what names it beyond doubt, and how to end it.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::process::{Child, ExitStatus};

use anyhow::{Context as _, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use serde::{Deserialize, Serialize};

use crate::until::Deadline;

/// A process by pid and start time. A pid alone is reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessId {
    /// The pid in our namespace.
    pub pid: u32,
    /// Field 22 of `/proc/PID/stat` (proc(5)): clock ticks since boot.
    pub start: u64,
}

impl ProcessId {
    /// This process.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn me() -> Result<Self> {
        Self::of(std::process::id()).context("no /proc/self/stat: is /proc mounted?")
    }

    /// The process that has `pid` now; `None` when there is none, or only a zombie.
    #[must_use]
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The command (field 2) may have blanks and brackets in it: count from its last bracket.
        let mut fields = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace();
        if matches!(fields.next()?, "Z" | "X") {
            return None;
        }
        let start = fields.nth(18)?.parse().ok()?;
        Some(Self { pid, start })
    }

    /// Whether this very process still runs.
    #[must_use]
    pub fn alive(&self) -> bool {
        Self::of(self.pid) == Some(*self)
    }

    /// Whether it still runs, in our pid namespace or in one below it, where it has this pid.
    #[must_use]
    pub(crate) fn alive_below(&self) -> bool {
        let is_it = |pid: u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let inner = status.lines().find_map(|it| it.strip_prefix("NSpid:"))?;
            let has_pid = inner.split_ascii_whitespace().last()?.parse() == Ok(self.pid);
            Some(has_pid && Self::of(pid)?.start == self.start)
        };
        self.alive() || all_pids().into_iter().any(|pid| is_it(pid) == Some(true))
    }

    /// Sends `signal` to this very process. A process that is gone already is no error.
    ///
    /// # Errors
    /// When we may not.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        let Some(fd) = self.pidfd()? else {
            return Ok(());
        };
        match rustix::process::pidfd_send_signal(&fd, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("signal to process {}", self.pid)),
        }
    }

    /// Waits until it has ended; `false` when `deadline` passes first.
    ///
    /// # Errors
    /// When the kernel gives no pidfd.
    pub fn wait_end(&self, deadline: Deadline) -> Result<bool> {
        match self.pidfd()? {
            Some(fd) => wait_readable(&fd, deadline),
            None => Ok(true),
        }
    }

    /// A descriptor of this very process; `None` when it is gone.
    fn pidfd(&self) -> Result<Option<OwnedFd>> {
        let fd = match pidfd_open(pid(self.pid)?, PidfdFlags::empty()) {
            Ok(fd) => fd,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error).context("pidfd_open"),
        };
        // The pid may have changed hands before the descriptor was opened, not after.
        Ok(self.alive().then_some(fd))
    }
}

/// The pids of our namespace; none when `/proc` is not mounted.
pub(crate) fn all_pids() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect()
}

/// A child of ours. It is killed when the handle is dropped: nothing may outlive a stage.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    id: ProcessId,
}

impl Running {
    /// Takes over `child`, which is called `name` in messages.
    ///
    /// # Errors
    /// When it has been reaped already.
    pub fn new(name: impl Into<String>, child: Child) -> Result<Self> {
        let name = name.into();
        let pid = child.id();
        // A child that ended at once is a zombie until we wait: the pid is still its own.
        let id = ProcessId::of(pid).unwrap_or(ProcessId { pid, start: 0 });
        Ok(Self { name, child, id })
    }

    /// Its pid.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.id.pid
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The `Child`, for its pipes.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Result<Option<ExitStatus>> {
        Ok(self.child.try_wait()?)
    }

    /// Sends `signal`.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        if self.ended()?.is_none() {
            kill_process(pid(self.pid())?, signal)
                .with_context(|| format!("signal to {} ({})", self.name, self.id.pid))?;
        }
        Ok(())
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When `deadline` passes first.
    pub fn wait(&mut self, deadline: Deadline) -> Result<ExitStatus> {
        // Once it has been seen to end, its pid may be another's.
        if let Some(status) = self.ended()? {
            return Ok(status);
        }
        let fd = self.pidfd()?;
        if !wait_readable(&fd, deadline)? {
            bail!(
                "{} (pid {}) was still running after {:?}",
                self.name,
                self.id.pid,
                deadline.span()
            );
        }
        Ok(self.child.wait()?)
    }

    /// A pidfd of it, for poll(2).
    pub fn pidfd(&self) -> Result<OwnedFd> {
        Ok(pidfd_open(pid(self.pid())?, PidfdFlags::empty())?)
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) -> Result<ExitStatus> {
        match self.child.kill() {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {}
            Err(error) => return Err(error.into()),
        }
        Ok(self.child.wait()?)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error here means that it has gone already.
        let _ = self.kill();
    }
}

/// Waits until `fd` is readable; `false` when `deadline` passes first.
pub(crate) fn wait_readable(fd: &OwnedFd, deadline: Deadline) -> Result<bool> {
    wait_any(&mut [PollFd::new(fd, PollFlags::IN)], deadline)
}

/// Waits until one of `fds` is ready; `false` when `deadline` passes first.
pub(crate) fn wait_any(fds: &mut [PollFd<'_>], deadline: Deadline) -> Result<bool> {
    loop {
        let left = Timespec::try_from(deadline.left()).context("deadline out of range")?;
        match poll(fds, Some(&left)) {
            Ok(0) if deadline.passed() => return Ok(false),
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(true),
            Err(error) => return Err(error).context("poll"),
        }
    }
}

fn pid(raw: u32) -> Result<Pid> {
    i32::try_from(raw)
        .ok()
        .and_then(Pid::from_raw)
        .with_context(|| format!("{raw} is no pid"))
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    fn cat() -> Running {
        let child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Running::new("cat", child).unwrap()
    }

    #[test]
    fn process_id_of_me_then_alive() {
        assert!(ProcessId::me().unwrap().alive());
    }

    #[test]
    fn process_id_same_pid_other_start_then_not_alive() {
        let me = ProcessId::me().unwrap();
        let other = ProcessId {
            start: me.start + 1,
            ..me
        };
        assert!(!other.alive());
    }

    #[test]
    fn process_id_signal_to_a_reused_pid_then_nothing_is_sent() {
        let cat = cat();
        let other = ProcessId {
            start: cat.id.start + 1,
            ..cat.id
        };
        other.signal(Signal::KILL).unwrap();
        assert!(cat.id.alive());
    }

    #[test]
    fn running_killed_then_wait_end_says_so() {
        let mut cat = cat();
        let id = cat.id;
        assert!(
            !id.wait_end(Deadline::after(std::time::Duration::ZERO))
                .unwrap()
        );
        id.signal(Signal::KILL).unwrap();
        assert!(id.wait_end(Deadline::seconds(10)).unwrap());
        assert!(!cat.wait(Deadline::seconds(10)).unwrap().success());
    }

    #[test]
    fn running_dropped_then_ended() {
        let cat = cat();
        let id = cat.id;
        drop(cat);
        assert!(!id.alive());
    }
}
