//! Priority of a poller on its core.
//!
//! A nice value of -20, not SCHED_FIFO: the kernel throttles SCHED_FIFO and then runs it tens of
//! milliseconds late. If the kernel groups processes by session (`sched_autogroup_enabled`,
//! sched(7)), nice values count only within the group: beside a compiler in another session a
//! poller at -20 gets half of the core. So the group's priority is raised too, but only if the
//! group is the daemon's own: else other processes of the session would be raised with it.

use std::fs;
use std::io::ErrorKind;
use std::num::NonZeroU64;

use rustix::process::{getpid, getsid, setpriority_process};
use rustix::thread::set_current_timer_slack;

const NICEST: i32 = -20;
const AUTOGROUP: &str = "/proc/self/autogroup";
/// Timer slack in nanoseconds. The default of 50 µs is a group of packets.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

/// Raises the priority of the calling thread, which polls on `core`. Failures are logged: the
/// poller then works, but runs late when other processes use the core.
pub(super) fn raise(core: usize) {
    // Linux sets the value of the calling thread only.
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
        // The kernel has no autogroups.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        // The kernel allows one change in 100 ms: another poller has just made the same one.
        Err(error) if error.kind() == ErrorKind::WouldBlock => {}
        Err(error) => tracing::warn!("{AUTOGROUP} stays as it is: {error}"),
    }
}
