//! One thread of a process, stopped: SIGSTOP would stop them all.

use std::fs;

use anyhow::{Context as _, Result};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

/// A thread that does not run, until this is dropped or the test ends.
#[derive(Debug)]
pub struct Frozen {
    thread: Pid,
}

impl Frozen {
    /// Stops the thread of process `pid` that is called `name`, by ptrace(2). To be used on one
    /// thread of the test only.
    ///
    /// # Errors
    /// When there is none of that name, or somebody else traces it.
    pub fn thread(pid: u32, name: &str) -> Result<Self> {
        let mut found = None;
        for entry in fs::read_dir(format!("/proc/{pid}/task"))? {
            let path = entry?.path();
            if fs::read_to_string(path.join("comm"))?.trim_end() == name {
                found = path.file_name().and_then(|it| it.to_str()?.parse().ok());
            }
        }
        let thread =
            Pid::from_raw(found.with_context(|| format!("process {pid} has no thread {name}"))?);
        ptrace::seize(thread, ptrace::Options::empty())?;
        ptrace::interrupt(thread)?;
        waitpid(thread, Some(WaitPidFlag::__WALL))?;
        Ok(Self { thread })
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        // If its process was ended meanwhile, that does not end before this is done.
        if ptrace::detach(self.thread, None).is_err() {
            let _ = waitpid(self.thread, Some(WaitPidFlag::__WALL));
        }
    }
}
