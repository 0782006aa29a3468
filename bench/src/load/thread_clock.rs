//! Processor time of one thread between two looks, by the kernel's own account.

use std::time::Duration;

use anyhow::{Context as _, Result};
use onair_stage::{cpu_time, threads_named, wait_for};

/// The account is exact while the thread sleeps, so each look waits until it does.
pub(crate) struct ThreadClock {
    pid: u32,
    tid: u32,
    seen: Duration,
}

impl ThreadClock {
    /// Of the thread `name` of process `pid`, not its first one, which has the program's name. Looks again if there is none: the kernel's listing ends
    /// early where a thread ends meanwhile.
    pub(crate) fn of(pid: u32, name: &str) -> Result<Self> {
        let mut tid = None;
        let found = wait_for("the thread", 10, || {
            tid = threads_named(pid, name)?.into_iter().find(|it| *it != pid);
            Ok(tid.is_some())
        });
        found.with_context(|| format!("process {pid} has no thread {name}"))?;
        let tid = tid.context("it was found")?;
        let seen = Duration::ZERO;
        Ok(Self { pid, tid, seen })
    }

    /// µs since the last look.
    pub(crate) fn lap(&mut self) -> Result<f64> {
        let mut now = cpu_time(self.pid, self.tid)?;
        wait_for("the thread to sleep", 10, || {
            let before = std::mem::replace(&mut now, cpu_time(self.pid, self.tid)?);
            std::thread::sleep(Duration::from_millis(1));
            Ok(before == now && cpu_time(self.pid, self.tid)? == now)
        })?;
        let lap = now.saturating_sub(self.seen);
        self.seen = now;
        Ok(lap.as_secs_f64() * 1e6)
    }
}
