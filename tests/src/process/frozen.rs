//! One thread of a process, stopped: SIGSTOP would stop them all.

use anyhow::{Context as _, Result};
use nix::sys::ptrace;
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;
use onair_stage::threads_named;

/// A thread that does not run, until this is dropped or the test ends.
#[derive(Debug)]
pub struct Frozen {
    thread: Pid,
}

impl Frozen {
    /// Stops the thread of process `pid` that is called `name`, by ptrace(2). To be used on one
    /// thread of the test only.
    pub fn thread(pid: u32, name: &str) -> Result<Self> {
        let found = Self::threads(pid, name)?.pop();
        found.with_context(|| format!("process {pid} has no thread {name}"))
    }

    /// The same with every thread of that name.
    pub fn threads(pid: u32, name: &str) -> Result<Vec<Self>> {
        let named = threads_named(pid, name)?.into_iter();
        named
            .map(|tid| Self::stop(Pid::from_raw(i32::try_from(tid)?)))
            .collect()
    }

    fn stop(thread: Pid) -> Result<Self> {
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
