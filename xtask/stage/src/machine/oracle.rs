//! What the kernel says about threads in `/proc`, for comparison with what the daemon says.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

/// `futex` on x86-64 (`asm/unistd_64.h`).
pub const FUTEX: u32 = 202;
/// `futex_waitv`: the call in which `buffer_get` sleeps.
pub const FUTEX_WAITV: u32 = 449;

/// The threads of process `pid`, by tid.
///
/// The kernel's listing ends early when the thread that it stands at ends, so it is repeated until it
/// is as long as the process is large.
///
/// # Errors
/// When the process is gone, or its threads come and go too fast to be listed.
pub fn threads(pid: u32) -> Result<BTreeSet<u32>> {
    for _ in 0..100 {
        let count = count(pid)?;
        let listed = listed(pid)?;
        if listed.len() == count {
            return Ok(listed);
        }
    }
    bail!("the threads of process {pid} come and go too fast to be listed")
}

fn listed(pid: u32) -> Result<BTreeSet<u32>> {
    let folder = format!("/proc/{pid}/task");
    fs::read_dir(&folder)
        .with_context(|| format!("no {folder}: the process has ended"))?
        .map(|entry| {
            let name = entry?.file_name();
            name.to_str()
                .and_then(|tid| tid.parse().ok())
                .with_context(|| format!("{folder} has an entry {name:?}"))
        })
        .collect()
}

fn count(pid: u32) -> Result<usize> {
    let path = format!("/proc/{pid}/status");
    let status = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let count = status.lines().find_map(|it| it.strip_prefix("Threads:"));
    count
        .and_then(|count| count.trim().parse().ok())
        .with_context(|| format!("{path} has no number of threads"))
}

/// The threads of process `pid` of this name.
pub fn threads_named(pid: u32, name: &str) -> Result<BTreeSet<u32>> {
    let mut all = threads(pid)?;
    all.retain(|tid| {
        let comm = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm"));
        comm.is_ok_and(|comm| comm.trim_end() == name)
    });
    Ok(all)
}

/// The children of process `pid`, zombies among them.
///
/// # Errors
/// The process is gone.
pub fn children(pid: u32) -> Result<Vec<u32>> {
    let path = format!("/proc/{pid}/task/{pid}/children");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    let pids = text.split_ascii_whitespace().map(str::parse);
    Ok(pids.collect::<Result<_, _>>()?)
}

/// The threads of process `pid` that sleep in a system call at this moment: tid, number of the call
/// (`asm/unistd_64.h`), first argument (proc_pid_syscall(5)).
pub fn calls(pid: u32) -> Result<Vec<(u32, u32, u64)>> {
    let mut calls = Vec::new();
    for tid in threads(pid)? {
        let Ok(line) = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")) else {
            continue; // it ended meanwhile
        };
        let mut fields = line.split_ascii_whitespace();
        let number = fields.next().and_then(|it| it.parse().ok());
        let argument = fields.next().and_then(|it| it.strip_prefix("0x"));
        let argument = argument.and_then(|it| u64::from_str_radix(it, 16).ok());
        calls.extend(
            number
                .zip(argument)
                .map(|(number, argument)| (tid, number, argument)),
        );
    }
    Ok(calls)
}

/// The threads of process `pid` that sleep in `futex_waitv` at this moment. Nothing else in our
/// programs uses that call.
pub fn blocked(pid: u32) -> Result<BTreeSet<u32>> {
    let calls = calls(pid)?.into_iter();
    let blocked = calls.filter(|(_, number, _)| *number == FUTEX_WAITV);
    Ok(blocked.map(|(tid, _, _)| tid).collect())
}

/// How long thread `tid` of process `pid` has run on a CPU, to the nanosecond
/// (`/proc/PID/task/TID/schedstat`, the first field).
///
/// # Errors
/// When the thread is gone, or the kernel keeps no such figure.
pub fn cpu_time(pid: u32, tid: u32) -> Result<Duration> {
    let path = format!("/proc/{pid}/task/{tid}/schedstat");
    let text = fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
    text.split_ascii_whitespace()
        .next()
        .and_then(|ns| ns.parse().ok())
        .map(Duration::from_nanos)
        .with_context(|| format!("{path} reads {text:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::until::{Deadline, until};

    #[test]
    fn threads_of_me_then_this_one_is_there() {
        let me = std::process::id();
        let tid = u32::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap();
        assert!(threads(me).unwrap().contains(&tid));
        assert!(!blocked(me).unwrap().contains(&tid));
        // The kernel adds up at the next tick.
        until("some CPU time", Deadline::seconds(10), || {
            Ok((cpu_time(me, tid)? > Duration::ZERO).then_some(()))
        })
        .unwrap();
    }
}
