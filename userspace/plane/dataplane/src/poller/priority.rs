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

use nix::unistd::{getpid, getsid};
use rustix::process::setpriority_process;
use rustix::thread::{CpuSet, sched_getaffinity, set_current_timer_slack};

const NICEST: i32 = -20;
const AUTOGROUP: &str = "/proc/self/autogroup";
/// Timer slack in nanoseconds. The default of 50 µs is a group of packets.
const TIMER_SLACK_NS: NonZeroU64 = NonZeroU64::MIN;

fn without(mut allowed: CpuSet, cores: &[usize]) -> CpuSet {
    let known = cores.iter().filter(|core| **core < CpuSet::MAX_CPU);
    known.for_each(|core| allowed.unset(*core));
    allowed
}

/// Whether the calling thread may run on `cores` only: at a raised priority a busy poller there would leave it,
/// and all threads that it starts, a hundredth of a core.
pub(crate) fn is_confined_to(cores: &[usize]) -> bool {
    sched_getaffinity(None).is_ok_and(|allowed| without(allowed, cores).count() == 0)
}

/// Raises the priority of the calling thread, which polls on `core`, unless it `shares` the core with all other
/// threads of the process. Failures are logged: the poller then works, but runs late when other processes use the
/// core.
pub(crate) fn raise(core: usize, shares: bool) {
    if shares {
        tracing::warn!(
            "poller on core {core} keeps its nice value: the daemon may use no other core, and the poller is busy"
        );
    } else if let Err(error) = setpriority_process(None, NICEST) {
        // Linux sets the value of the calling thread only.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_of_pollers_then_the_others_are_left() {
        let mut allowed = CpuSet::new();
        for core in [0, 2, 5] {
            allowed.set(core);
        }
        let left = without(allowed, &[2, 3, CpuSet::MAX_CPU]);
        let left: Vec<_> = (0..8).filter(|core| left.is_set(*core)).collect();
        assert_eq!(left, [0, 5]);
        assert_eq!(without(allowed, &[0, 2, 5]).count(), 0);
    }
}
