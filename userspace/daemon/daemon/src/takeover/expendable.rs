//! Which of two daemons the kernel kills if memory is too short for both: the one that is not on air.
//!
//! Both have the service's value, which keeps the kernel from killing a daemon. Without this it would kill the larger
//! one, which has the frames.

use std::fs;

use onair_mutant::mutant;

/// The value of this process (proc_pid_oom_score_adj(5)).
const FILE: &str = "/proc/self/oom_score_adj";
/// The first process to kill.
const FIRST: &str = "1000";

/// While it exists, the kernel kills this process first.
#[derive(Debug)]
pub(super) struct Expendable {
    before: Option<String>,
}

impl Expendable {
    pub(super) fn begin() -> Self {
        let before = fs::read_to_string(FILE).and_then(|before| {
            if !mutant!("takeover: the kernel may kill the running daemon") {
                fs::write(FILE, FIRST)?;
            }
            Ok(before)
        });
        let before = before.inspect_err(|error| {
            tracing::warn!(%error, "if memory is too short for two daemons, the kernel may kill the running one");
        });
        Self {
            before: before.ok(),
        }
    }
}

impl Drop for Expendable {
    fn drop(&mut self) {
        if let Some(before) = &self.before
            && let Err(error) = fs::write(FILE, before.trim())
        {
            tracing::warn!(%error, "the kernel kills this daemon first when memory is short");
        }
    }
}
