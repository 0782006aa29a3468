//! A poller's claim on its core.
//!
//! A nice value of -20, never SCHED_FIFO, which the kernel throttles and then runs tens of
//! milliseconds late. Where the kernel groups processes by session (`sched_autogroup_enabled`,
//! sched(7)), nice values count only within the group: beside somebody else's compiler in another
//! session a poller at -20 gets half of the core. So the group is raised as well, but only when it
//! is the daemon's own, for others of the session would be raised with it.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroU64;

use rustix::process::{getpid, getsid, setpriority_process};
use rustix::thread::set_current_timer_slack;

const NICEST: i32 = -20;
const AUTOGROUP: &str = "/proc/self/autogroup";
/// Slack of time-outs in nanoseconds; the default of 50 µs is a group of packets.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// Raises the calling thread, which polls on `core`. What is refused is logged: the poller works
/// without, late when others want the core.
pub(super) fn raise(core: usize) {
    // Linux applies it to the calling thread alone.
    if let Err(error) = setpriority_process(None, NICEST) {
        tracing::warn!("poller on core {core} keeps its nice value: {error}");
    }
    if let Err(error) = set_current_timer_slack(Some(TIMER_SLACK_NS)) {
        tracing::warn!("poller on core {core} may wake up late: {error}");
    }
    if getsid(None) != Ok(getpid()) {
        tracing::debug!("the daemon shares its session: {AUTOGROUP} is left as it is");
        return;
    }
    match fs::write(AUTOGROUP, NICEST.to_string()) {
        Ok(()) => {}
        // A kernel without groups.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // The kernel takes one change in a tenth of a second: another poller's was the same.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => tracing::warn!("{AUTOGROUP} stays as it is: {error}"),
    }
}
