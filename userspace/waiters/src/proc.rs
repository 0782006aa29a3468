//! Data from `/proc`: threads that sleep inside the library's wait.
//!
//! A futex call alone is not enough: the thread may wait for a lock or for another thread's end. A
//! thread in the library's wait has on its stack a return address in the function that contains the
//! two sites.

use std::fs;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use onair_ebpf::extent::{Extent, extent};
use onair_ebpf::process::{SitedFile, Survey};

use crate::row::{Row, Source, command, name};

/// System calls in which the library waits: futex, and futex_waitv.
const WAITS: [&str; 2] = ["202", "449"];
/// Bytes of stack to search, from its pointer upwards. The wait's frames take a few hundred.
const STACK: usize = 32 * 1024;

/// Bytes behind a site that count as its function if the file has no size for it.
const ASSUMED: Extent = Extent {
    before: 0,
    after: 512,
};

/// The functions that contain a file's sites, in a process.
pub(crate) fn functions(file: &SitedFile) -> Vec<Range<u64>> {
    file.sites
        .iter()
        .map(|site| {
            let extent = extent(&file.file, site.offset)
                .ok()
                .flatten()
                .unwrap_or(ASSUMED);
            site.address.saturating_sub(extent.before)..site.address.saturating_add(extent.after)
        })
        .collect()
}

/// Callers of a process that are blocked at present.
pub(crate) fn blocked(pid: u32, survey: &Survey) -> Vec<Row> {
    let functions: Vec<_> = survey.files.iter().flat_map(functions).collect();
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    let tids = tasks
        .filter_map(Result::ok)
        .filter_map(|task| task.file_name().to_str().and_then(|name| name.parse().ok()));
    tids.filter(|&tid| is_waiting(pid, tid, survey, &functions))
        .map(|tid| Row {
            pid,
            tid,
            command: command(pid),
            thread: name(&format!("/proc/{pid}/task/{tid}/comm")),
            session: None,
            attachment: None,
            blocked_seconds: None,
            since: None,
            source: Source::Proc,
        })
        .collect()
}

fn is_waiting(pid: u32, tid: u32, survey: &Survey, functions: &[Range<u64>]) -> bool {
    let call = fs::read_to_string(format!("/proc/{pid}/task/{tid}/syscall")).unwrap_or_default();
    let Some(pointer) = waiting_stack(&call) else {
        return false;
    };
    let mut stack = vec![0; STACK];
    // Short at the end of the stack.
    let Ok(count) = survey.memory.read_at(&mut stack, pointer) else {
        return false;
    };
    stack[..count]
        .chunks_exact(8)
        .filter_map(|word| word.try_into().ok().map(u64::from_ne_bytes))
        .any(|word| functions.iter().any(|function| function.contains(&word)))
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
