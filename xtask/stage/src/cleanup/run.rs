//! The name of one run of the demo, of a test or of the bench.
//!
//! It has the owner's identity in it and stands in the environment of every process that the run
//! starts, and of all that those start. So whoever comes later can tell which processes belong to
//! a run, and whether its owner still lives, without a list that a SIGKILL could leave incomplete.

use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::process::ProcessId;

/// The environment variable that carries a [`Run`].
pub const RUN_VARIABLE: &str = "ONAIR_RUN";

/// One run: the process that owns it, and a number within that process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run {
    /// The process that takes down what the run put up.
    pub owner: ProcessId,
    /// Counts the owner's runs from 0.
    pub number: u32,
}

impl Run {
    /// The next run of this process.
    ///
    /// # Errors
    /// When `/proc` is not mounted.
    pub fn next() -> anyhow::Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        Ok(Self {
            owner: ProcessId::me()?,
            number: NEXT.fetch_add(1, Ordering::Relaxed),
        })
    }

    /// A command that belongs to this run, as does all that it starts. It leads a session of its
    /// own (setsid(1) executes it in its place), so that a Ctrl-C in the terminal does not reach it
    /// beside the owner's orderly end, and so that a poller's priority counts against all others:
    /// where the kernel groups processes by session, it is one within the session only.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new("setsid");
        command
            .arg(program.as_ref())
            .env(RUN_VARIABLE, self.to_string())
            .stdin(Stdio::null());
        command
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.owner.pid, self.owner.start, self.number)
    }
}

impl FromStr for Run {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.split('-');
        let mut part = || parts.next().ok_or(());
        let run = Self {
            owner: ProcessId {
                pid: part()?.parse().map_err(drop)?,
                start: part()?.parse().map_err(drop)?,
            },
            number: part()?.parse().map_err(drop)?,
        };
        if parts.next().is_some() {
            return Err(());
        }
        Ok(run)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn run_written_and_read_then_the_same() {
        let run = Run::next().unwrap();
        assert_eq!(run.to_string().parse(), Ok(run));
        assert_eq!("12-x-1".parse::<Run>(), Err(()));
        assert_eq!("1-2-3-4".parse::<Run>(), Err(()));
    }

    #[test]
    fn run_next_then_another() {
        assert_ne!(Run::next().unwrap(), Run::next().unwrap());
    }
}
