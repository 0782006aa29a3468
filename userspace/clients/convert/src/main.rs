//! `onair-convert`: makes the frames of a converted session. onaird starts it and says what to do.
//!
//! Standard input is a socket of the daemon ([`orders`]). The order has two connections to the daemon: one attaches to the
//! source, the other fills the converted session. A thread of its own converts ([`bridge`]). The process has no
//! privileges, opens nothing by a path, and ends with the daemon.
#![forbid(unsafe_code)]

mod bridge;
mod orders;

use std::io;
use std::process::ExitCode;

use clap::Parser;
use rustix::process::{Gid, Signal, Uid, geteuid, set_parent_process_death_signal};
use rustix::thread::{
    CapabilitySet, CapabilitySets, CpuSet, sched_getaffinity, sched_setaffinity, set_capabilities,
    set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

/// Owns nothing (Debian Policy 9.2.2).
const NOBODY: u32 = 65_534;

/// Make the frames of a converted session, for onaird, which starts it
///
/// By itself it does nothing: standard input is a socket of the daemon.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Keep off these cores, if there are others
    #[arg(long, value_name = "CORE", value_delimiter = ',')]
    keep_off: Vec<usize>,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let prepared = leave_privileges()
        .and_then(|()| keep_off(&options.keep_off))
        .and_then(|()| end_with_the_daemon());
    match prepared.and_then(|()| orders::serve(io::stdin())) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("onair-convert: {error}: onaird starts this program");
            ExitCode::FAILURE
        }
    }
}

/// Gives all privileges up. Root becomes nobody, if it may; without CAP_SETUID it stays root without capabilities.
pub(crate) fn leave_privileges() -> io::Result<()> {
    set_no_new_privs(true)?;
    if geteuid().is_root() {
        let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
        // In a container these may be refused.
        let _ = set_thread_groups(&[]);
        let _ = set_thread_res_gid(group, group, group);
        let _ = set_thread_res_uid(user, user, user);
    }
    let none = CapabilitySet::empty();
    let none = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    Ok(set_capabilities(None, none)?)
}

/// Keeps off the pollers' cores, if there are others: a busy poller leaves a process of
/// the usual priority about a hundredth of its core (sched(7)).
pub(crate) fn keep_off(cores: &[usize]) -> io::Result<()> {
    let others = without(sched_getaffinity(None)?, cores);
    if others.count() > 0 {
        sched_setaffinity(None, &others)?;
    }
    Ok(())
}

fn without(mut allowed: CpuSet, cores: &[usize]) -> CpuSet {
    let known = cores.iter().filter(|core| **core < CpuSet::MAX_CPU);
    known.for_each(|core| allowed.unset(*core));
    allowed
}

/// The kernel kills this process when the daemon's thread that started it ends. One that has ended already has closed
/// the socket.
pub(crate) fn end_with_the_daemon() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
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
