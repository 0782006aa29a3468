//! The threads of a client, as `/proc` shows them (proc_pid_task(5)).

use std::fs;

/// One thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Thread {
    /// Its id in the daemon's pid namespace.
    pub tid: u32,
    /// Its id in its own pid namespace: what a client writes into its slots.
    pub own_tid: u32,
    /// Its name, made printable; the process chose it.
    pub name: String,
    /// What the kernel says that it does, as `running`, `sleeping`, `stopped`.
    pub state: String,
    /// When it started: clock ticks (1/100 s) since boot.
    pub started_ticks: u64,
    /// It is on its way out, or was sent a SIGKILL: it makes no further step in its program.
    pub is_ending: bool,
}

/// SIGKILL (9) in the masks of `/proc/PID/task/TID/status`. A group that exits sends it to each of
/// its threads.
const KILL: u64 = 1 << 8;
/// The kernel's PF_EXITING in field 9 of `/proc/PID/task/TID/stat`.
const EXITING: u64 = 0x4;

/// Longest start-time error against CLOCK_BOOTTIME: one tick of `/proc`, ns.
const TICK_NS: u64 = 10_000_000;

impl Thread {
    /// Whether the thread started after `boottime_ns`: then it is not the one that wrote that time,
    /// though it has its number.
    pub fn is_younger_than(&self, boottime_ns: u64) -> bool {
        self.started_ticks.saturating_mul(TICK_NS) > boottime_ns.saturating_add(TICK_NS)
    }
}

/// The living threads of process `pid`; empty when there is none.
pub fn of(pid: u32) -> Vec<Thread> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| {
            let tid = task.file_name().to_str()?.parse().ok()?;
            read(pid, tid)
        })
        .collect()
}

/// Whether process `pid` is dead or dying as a whole. A thread that ended, or a new program by
/// exec, leaves a thread that goes on.
pub fn is_process_ending(pid: u32) -> bool {
    of(pid).iter().all(|thread| thread.is_ending)
}

/// One thread of process `pid`, if it lives.
pub fn read(pid: u32, tid: u32) -> Option<Thread> {
    let folder = format!("/proc/{pid}/task/{tid}");
    let status = fs::read(format!("{folder}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let field = |key: &str| {
        status
            .lines()
            .find_map(|line| line.strip_prefix(key))
            .map(str::trim)
    };
    // A zombie thread is dead: it will make no further step.
    if field("State:").is_some_and(|state| state.starts_with(['Z', 'X'])) {
        return None;
    }
    let own_tid = field("NSpid:")?.split_whitespace().last()?.parse().ok()?;
    let stat = fs::read(format!("{folder}/stat")).ok()?;
    let stat = String::from_utf8_lossy(&stat);
    // The name may contain anything, so count from its closing bracket, which ends field 2.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    let is_killed = ["SigPnd:", "ShdPnd:"].iter().any(|mask| {
        field(mask).is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok_and(|it| it & KILL != 0))
    });
    Some(Thread {
        tid,
        own_tid,
        name: printable(field("Name:").unwrap_or_default()),
        // As `S (sleeping)`.
        state: field("State:")
            .and_then(|state| Some(state.split_once('(')?.1.trim_end_matches(')').to_owned()))
            .unwrap_or_default(),
        started_ticks: number(22)?,
        is_ending: is_killed || number(9)? & EXITING != 0,
    })
}

/// The kernel's function that thread `tid` of process `pid` sleeps in; `None` when it does not sleep
/// or the kernel does not tell (proc_pid_wchan(5)).
pub fn wait_channel(pid: u32, tid: u32) -> Option<String> {
    let channel = fs::read_to_string(format!("/proc/{pid}/task/{tid}/wchan")).ok()?;
    (!channel.is_empty() && channel != "0").then_some(channel)
}

fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;

    #[test]
    fn threads__of_this_process__then_this_thread_is_among_them() {
        let tid = onair_ipc::sys::gettid();
        let threads = of(std::process::id());
        let me = threads.iter().find(|thread| thread.tid == tid).unwrap();
        assert_eq!(me.own_tid, tid);
        assert_eq!(me.state, "running");
        assert!(!me.is_younger_than(onair_ipc::sys::boottime_ns()));
        assert!(me.is_younger_than(0));
        assert!(!me.is_ending && !is_process_ending(std::process::id()));
    }

    #[test]
    fn process__killed_or_gone__then_ending() {
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        assert!(!is_process_ending(child.id()));
        child.kill().unwrap();
        assert!(is_process_ending(child.id()));
        child.wait().unwrap();
        assert!(is_process_ending(child.id()));
    }

    #[test]
    fn threads__of_nobody__then_none() {
        assert!(of(0).is_empty());
        assert!(read(std::process::id(), 0).is_none());
    }
}
