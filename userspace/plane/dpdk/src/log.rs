//! Sends the log of DPDK, and of the libraries under its AF_XDP driver, to `tracing` (target
//! `dpdk`). Each thread keeps its last lines, so that an error can include them.

use std::{
    cell::RefCell,
    collections::VecDeque,
    ffi::{c_char, c_int},
    fmt, slice,
};

/// Lines that a thread keeps.
const TAIL: usize = 16;

/// The lines that DPDK and its libraries logged in one thread during one call.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogTail(Vec<String>);

impl LogTail {
    /// The lines, oldest first.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.0
    }
}

/// `: line; line`, or nothing if there are none.
impl fmt::Display for LogTail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, line) in self.0.iter().enumerate() {
            write!(f, "{} {line}", if i == 0 { ":" } else { ";" })?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct Recent {
    lines: VecDeque<String>,
    /// Start of a line: DPDK may write one line in several pieces.
    unfinished: String,
    /// Whether failure is expected, so that its lines have debug level.
    is_trial: bool,
}

thread_local! {
    static RECENT: RefCell<Recent> = RefCell::default();
}

/// Runs `call` and returns this thread's log lines during it.
pub(crate) fn captured<T>(call: impl FnOnce() -> T) -> (T, LogTail) {
    RECENT.with_borrow_mut(|recent| recent.lines.clear());
    let value = call();
    let lines = RECENT.with_borrow_mut(|recent| recent.lines.drain(..).collect());
    (value, LogTail(lines))
}

/// Runs `call`. Its lines in this thread matter only if it fails finally: the error then includes
/// them.
pub(crate) fn trial<T>(call: impl FnOnce() -> T) -> T {
    RECENT.with_borrow_mut(|recent| recent.is_trial = true);
    let value = call();
    RECENT.with_borrow_mut(|recent| recent.is_trial = false);
    value
}

/// Redirects DPDK's log to this module. Before `rte_eal_init`, to include its lines.
pub(crate) fn tap_dpdk() {
    // SAFETY: `dpdk_line` is a sink as the shim expects it: it reads `length`
    // bytes and does not unwind.
    let code = unsafe { dpdk_sys::onair_hook_dpdk_log(Some(dpdk_line)) };
    if code < 0 {
        tracing::warn!(target: "dpdk", code, "DPDK logs to standard error: out of memory");
    }
}

/// Redirects the logs of libxdp and libbpf to this module. After `rte_eal_init`, which loads them
/// as part of a driver.
pub(crate) fn tap_libraries() {
    // SAFETY: as above.
    unsafe { dpdk_sys::onair_hook_library_logs(Some(library_line)) };
}

unsafe extern "C" fn dpdk_line(level: c_int, text: *const c_char, length: usize) {
    // SAFETY: the shim passes `length` readable bytes.
    let bytes = unsafe { slice::from_raw_parts(text.cast::<u8>(), length) };
    take(&String::from_utf8_lossy(bytes), level);
}

unsafe extern "C" fn library_line(level: c_int, text: *const c_char, length: usize) {
    // SAFETY: the shim passes `length` readable bytes.
    let bytes = unsafe { slice::from_raw_parts(text.cast::<u8>(), length) };
    // The driver tries several ways and reports if none worked: even these libraries' warnings are
    // details.
    take(
        &String::from_utf8_lossy(bytes),
        if level == 0 { 7 } else { 8 },
    );
}

fn take(text: &str, level: c_int) {
    // A thread may log after its thread-locals are gone.
    let _ = RECENT.try_with(|recent| {
        // A subscriber may itself make DPDK log.
        let Ok(mut recent) = recent.try_borrow_mut() else {
            return;
        };
        for piece in text.split_inclusive('\n') {
            recent.unfinished.push_str(piece);
            if piece.ends_with('\n') {
                let line = std::mem::take(&mut recent.unfinished);
                let line = line.trim();
                if line.is_empty() {
                    continue;
                }
                emit(line, if recent.is_trial { level.max(7) } else { level });
                if level < 8 {
                    if recent.lines.len() == TAIL {
                        recent.lines.pop_front();
                    }
                    recent.lines.push_back(line.to_owned());
                }
            }
        }
    });
}

/// DPDK's levels (rte_log.h): 1 emergency … 4 error, 5 warning, 6 notice,
/// 7 information, 8 debug.
fn emit(line: &str, level: c_int) {
    match level {
        ..=4 => tracing::error!(target: "dpdk", "{line}"),
        5 => tracing::warn!(target: "dpdk", "{line}"),
        6 => tracing::info!(target: "dpdk", "{line}"),
        7 => tracing::debug!(target: "dpdk", "{line}"),
        _ => tracing::trace!(target: "dpdk", "{line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn captured_keeps_whole_lines_of_the_call_only() {
        take("before\n", 4);
        let ((), tail) = captured(|| {
            take("PMD: one ", 4);
            take("line\nand another\n", 5);
        });
        assert_eq!(tail.lines(), ["PMD: one line", "and another"]);
        assert_eq!(tail.to_string(), ": PMD: one line; and another");
        assert_eq!(captured(|| ()).1, LogTail::default());
    }

    #[test]
    fn tail_of_a_flood_is_its_last_lines() {
        let ((), tail) = captured(|| (0..100).for_each(|i| take(&format!("{i}\n"), 4)));
        assert_eq!(tail.lines().len(), TAIL);
        assert_eq!(tail.lines().last().map(String::as_str), Some("99"));
    }
}
