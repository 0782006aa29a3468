//! Data from `/proc`: threads that sleep inside the library's wait.
//!
//! A futex call alone is not enough: the thread may wait for a lock or for another thread's end. A
//! thread in the library's wait has a [`Mark`] on its stack.

use std::fs;
use std::os::unix::fs::FileExt;

use onair_ebpf::process::Survey;
use onair_ipc::site::Mark;

use crate::row::{Row, RowSource, command, name};

/// System calls in which the library waits: futex, and futex_waitv.
const WAITS: [&str; 2] = ["202", "449"];
/// Bytes of stack to search, from its pointer upwards. The wait's frames take a few hundred.
const STACK: usize = 32 * 1024;

/// Callers of a process that are blocked at present.
pub(crate) fn blocked(pid: u32, survey: &Survey) -> Vec<Row> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let tids = tasks
        .filter_map(Result::ok)
        .filter_map(|task| task.file_name().to_str().and_then(|name| name.parse().ok()));
    tids.filter_map(|tid| {
        let (session, attachment) = waiting_for(pid, tid, survey)?;
        Some(Row {
            pid,
            tid,
            command: command(pid),
            thread: name(&format!("/proc/{pid}/task/{tid}/comm")),
            session: Some(format!("{session:016x}")),
            attachment: Some(attachment),
            blocked_seconds: None,
            since: None,
            source: RowSource::Proc,
        })
    })
    .collect()
}

/// Session and attachment of a thread that waits.
fn waiting_for(pid: u32, tid: u32, survey: &Survey) -> Option<(u64, u64)> {
    let call = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).ok()?;
    let pointer = waiting_stack(&call)?.next_multiple_of(8);
    let mut stack = vec![0; STACK];
    // Short at the end of the stack.
    let count = survey.memory.read_at(&mut stack, pointer).ok()?;
    (pointer..)
        .step_by(8)
        .zip(stack[..count].windows(Mark::SIZE).step_by(8))
        .find_map(|(address, bytes)| Mark::read(bytes.try_into().ok()?, address))
}

/// Parses `number arguments… stack-pointer program-counter` of a sleeping thread. Returns the stack
/// pointer, if it sleeps in a call in which the library waits.
fn waiting_stack(call: &str) -> Option<u64> {
    let mut fields = call.split_ascii_whitespace();
    if !WAITS.contains(&fields.next()?) {
        return None;
    }
    let pointer = fields.nth(6)?;
    u64::from_str_radix(pointer.strip_prefix("0x")?, 16).ok()
}

/// Every process.
pub(crate) fn processes() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .filter_map(Result::ok)
        .filter_map(|entry| {
            entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_stack_of_the_waits_then_the_pointer() {
        let futex = "202 0x1 0x80 0x0 0x0 0x0 0x0 0x7ffdeadbee00 0x7f0001\n";
        assert_eq!(waiting_stack(futex), Some(0x7ffd_eadb_ee00));
        assert_eq!(
            waiting_stack(&futex.replacen("202", "449", 1)),
            Some(0x7ffd_eadb_ee00)
        );
        for other in [
            &futex.replacen("202", "20", 1)[..],
            "running",
            "",
            "202 0x1",
            "-1 0x1 0x2",
        ] {
            assert_eq!(waiting_stack(other), None, "{other}");
        }
    }
}
