//! The threads of a client, as `/proc` shows them (proc_pid_task(5)).

use std::cell::OnceCell;
use std::fs;
use std::path::Path;
use std::time::Instant;

use onair_api::printable;
use onair_engine::clients::processes::{Processes, Thread, Threads};
use onair_settings::access::peer::command_of;

/// SIGKILL (9) in the masks of `/proc/PID/task/TID/status`. A thread group that exits sends it to
/// each of its threads.
const KILL: u64 = 1 << 8;
/// The kernel's PF_EXITING in field 9 of `/proc/PID/task/TID/stat`.
const EXITING: u64 = 0x4;
/// PF_SIGNALED in the same field: the thread dies of a signal, and the process with it. The thread
/// that dumps core gets no SIGKILL, and begins its own exit after the others.
const SIGNALED: u64 = 0x400;

/// The living threads of process `pid`; empty if there is none.
pub fn of(pid: u32) -> Vec<Thread> {
    each(pid).collect()
}

fn each(pid: u32) -> impl Iterator<Item = Thread> {
    numbers(pid).filter_map(move |tid| read(pid, tid))
}

fn numbers(pid: u32) -> impl Iterator<Item = u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    tasks.filter_map(|task| task.file_name().to_str()?.parse().ok())
}

/// Maximum number of tries for a listing.
const LISTINGS: u32 = 8;

/// Every living thread of process `pid`; `None` if threads start and end too fast for a listing.
/// The kernel's listing ends early if the thread at its current position ends (`next_tid` in
/// fs/proc/base.c), so it counts only if it has as many entries as the process has threads, before
/// and after.
fn every(pid: u32) -> Option<Vec<Thread>> {
    (0..LISTINGS).find_map(|_| {
        let count = count(pid)?;
        let listed: Vec<u32> = numbers(pid).collect();
        let is_whole = listed.len() == count && self::count(pid) == Some(count);
        is_whole.then(|| {
            let read = |tid| read(pid, tid);
            listed.into_iter().filter_map(read).collect()
        })
    })
}

/// Number of threads of process `pid`, including dead ones that are still listed.
fn count(pid: u32) -> Option<usize> {
    let status = fs::read(format!("/proc/{pid}/status")).ok()?;
    let status = String::from_utf8_lossy(&status);
    let count = status.lines().find_map(|it| it.strip_prefix("Threads:"))?;
    count.trim().parse().ok()
}

/// Threads in which the check looks for one that is not ending: a process may have very many.
const SAMPLE: usize = 16;

/// Whether process `pid` is dead or dying as a whole. A thread that ended, or an exec, leaves a
/// thread that continues. A process in which very many threads end by themselves at the same moment
/// may look as if it were dying: check again later.
pub fn is_process_ending(pid: u32) -> bool {
    each(pid).take(SAMPLE).all(|thread| thread.is_ending)
}

/// Whether process `pid` is stopped by a signal or a debugger.
pub fn is_stopped(pid: u32) -> bool {
    read(pid, pid).is_some_and(|leader| ["stopped", "tracing stop"].contains(&&*leader.state))
}

/// Whether the thread `tid` of process `pid`, with its own id `own_tid`, is the one that wrote the
/// time `boottime_ns`, and can execute a further step.
pub fn goes_on(pid: u32, tid: u32, own_tid: u32, boottime_ns: u64) -> bool {
    read(pid, tid).is_some_and(|thread| thread.is_it(own_tid, boottime_ns))
}

/// The threads of a process by their own ids, each read on request: a process may have very many,
/// and few of them are in a slot.
#[derive(Debug)]
pub struct ThreadList {
    pid: u32,
    /// The process is in the daemon's pid namespace, so that its own ids are valid here.
    ours: bool,
    /// All threads, if the ids must be translated; `None` if they cannot be listed.
    all: OnceCell<Option<Vec<Thread>>>,
}

impl ThreadList {
    /// The thread list of process `pid`.
    pub fn of(pid: u32) -> Self {
        let namespace = |of: &str| fs::read_link(format!("/proc/{of}/ns/pid")).ok();
        let theirs = namespace(&pid.to_string());
        Self {
            pid,
            ours: theirs.is_some() && theirs == namespace("self"),
            all: OnceCell::new(),
        }
    }

    /// The living thread with its own id `own_tid`.
    pub fn find(&self, own_tid: u32) -> Option<Thread> {
        if self.ours {
            return read(self.pid, own_tid);
        }
        let all = self.all.get_or_init(|| every(self.pid)).as_ref()?;
        all.iter().find(|it| it.own_tid == own_tid).cloned()
    }

    /// Whether the thread `own_tid` that wrote the time `boottime_ns` can execute a further step. A
    /// younger thread with the same id is another thread. If the threads cannot be listed, the
    /// answer is true for all: check again later.
    pub fn has(&self, own_tid: u32, boottime_ns: u64) -> bool {
        if self.ours {
            return goes_on(self.pid, own_tid, own_tid, boottime_ns);
        }
        let all = self.all.get_or_init(|| every(self.pid)).as_ref();
        all.is_none_or(|all| all.iter().any(|it| it.is_it(own_tid, boottime_ns)))
    }
}

/// A file `stat` of `/proc` (proc_pid_stat(5)).
pub struct Stat(String);

impl Stat {
    /// That of the process or thread with this folder.
    pub fn read(folder: &Path) -> Option<Self> {
        let text = fs::read(folder.join("stat")).ok()?;
        Some(Self(String::from_utf8_lossy(&text).into_owned()))
    }

    /// The number in this field, from the third on.
    pub fn number(&self, field: usize) -> Option<u64> {
        // The name may contain any byte, so count from its closing bracket, which ends field 2.
        let mut fields = self.0.rsplit_once(')')?.1.split_whitespace();
        fields.nth(field - 3)?.parse().ok()
    }
}

/// One thread of process `pid`, if it is alive.
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
    // A zombie thread is dead: it executes no further step.
    if field("State:").is_some_and(|state| state.starts_with(['Z', 'X'])) {
        return None;
    }
    let own_tid = field("NSpid:")?.split_whitespace().last()?.parse().ok()?;
    let stat = Stat::read(Path::new(&folder))?;
    let is_killed = ["SigPnd:", "ShdPnd:"].iter().any(|mask| {
        field(mask).is_some_and(|hex| u64::from_str_radix(hex, 16).is_ok_and(|it| it & KILL != 0))
    });
    let flags = stat.number(9)?;
    let is_exiting = flags & EXITING != 0;
    Some(Thread {
        tid,
        own_tid,
        name: printable(field("Name:").unwrap_or_default()),
        // As `S (sleeping)`.
        state: field("State:")
            .and_then(|state| Some(state.split_once('(')?.1.trim_end_matches(')').to_owned()))
            .unwrap_or_default(),
        started_ticks: stat.number(22)?,
        is_ending: is_killed || flags & (EXITING | SIGNALED) != 0,
        is_exiting,
    })
}

/// The kernel function in which thread `tid` of process `pid` sleeps; `None` if it does not sleep
/// or the kernel does not report it (proc_pid_wchan(5)).
pub fn wait_channel(pid: u32, tid: u32) -> Option<String> {
    let channel = fs::read_to_string(format!("/proc/{pid}/task/{tid}/wchan")).ok()?;
    (!channel.is_empty() && channel != "0").then_some(channel)
}

/// `/proc`.
#[derive(Debug)]
pub struct Proc;

impl Processes for Proc {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn command_of(&self, pid: u32) -> String {
        command_of(pid)
    }

    fn thread(&self, pid: u32, tid: u32) -> Option<Thread> {
        read(pid, tid)
    }

    fn threads(&self, pid: u32) -> Box<dyn Threads> {
        Box::new(ThreadList::of(pid))
    }

    fn wait_channel(&self, pid: u32, tid: u32) -> Option<String> {
        wait_channel(pid, tid)
    }

    fn goes_on(&self, pid: u32, tid: u32, own_tid: u32, boottime_ns: u64) -> bool {
        goes_on(pid, tid, own_tid, boottime_ns)
    }

    fn is_ending(&self, pid: u32) -> bool {
        is_process_ending(pid)
    }

    fn is_stopped(&self, pid: u32) -> bool {
        is_stopped(pid)
    }

    fn started_ticks(&self, pid: u32) -> Option<u64> {
        Stat::read(Path::new(&format!("/proc/{pid}")))?.number(22)
    }
}

impl Threads for ThreadList {
    fn find(&self, own_tid: u32) -> Option<Thread> {
        self.find(own_tid)
    }

    fn has(&self, own_tid: u32, boottime_ns: u64) -> bool {
        self.has(own_tid, boottime_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// The result of `look`, once it finds one.
    fn soon<T>(mut look: impl FnMut() -> Option<T>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(Instant::now() < deadline, "never found");
            std::thread::yield_now();
        }
    }

    #[test]
    fn process_is_stopped_from_a_stop_until_it_continues() {
        use rustix::process::{Pid, Signal, kill_process};
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .unwrap();
        let (pid, handle) = (child.id(), Pid::from_child(&child));
        assert!(!is_stopped(pid));
        kill_process(handle, Signal::STOP).unwrap();
        soon(|| is_stopped(pid).then_some(()));
        let state = read(pid, pid).map(|leader| leader.state);
        assert_eq!(state.as_deref(), Some(onair_api::Blocker::STOPPED));
        kill_process(handle, Signal::CONT).unwrap();
        soon(|| (!is_stopped(pid)).then_some(()));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!is_stopped(pid), "it is gone");
    }

    #[test]
    fn threads_of_this_process_then_this_thread_is_among_them() {
        let tid = onair_ipc::sys::gettid();
        // The kernel's listing may end early while other tests' threads start and end.
        let me = soon(|| {
            let threads = of(std::process::id());
            threads.into_iter().find(|thread| thread.tid == tid)
        });
        assert_eq!(me.own_tid, tid);
        assert_eq!(me.state, "running");
        assert!(!me.is_younger_than(onair_ipc::sys::boottime_ns()));
        assert!(me.is_younger_than(0));
        assert!(!me.is_ending && !is_process_ending(std::process::id()));
    }

    #[test]
    fn roll_threads_of_this_process_then_only_those_that_go_on() {
        let thread_list = ThreadList::of(std::process::id());
        assert!(thread_list.ours);
        let (tid, now) = (onair_ipc::sys::gettid(), onair_ipc::sys::boottime_ns());
        assert!(thread_list.has(tid, now));
        assert!(
            !thread_list.has(tid, 0),
            "a thread of that number, but a younger one"
        );
        let gone = std::thread::spawn(onair_ipc::sys::gettid).join().unwrap();
        // It may still be exiting.
        assert!(!thread_list.has(gone, now) || read(std::process::id(), gone).is_some());
        assert!(
            !ThreadList::of(1).has(tid, now),
            "a thread of another process"
        );
        // The threads of other tests start and end.
        let all = soon(|| every(std::process::id()));
        let translated = ThreadList {
            pid: std::process::id(),
            ours: false,
            all: OnceCell::from(Some(all)),
        };
        assert!(translated.has(tid, now) && !translated.has(tid, 0));
    }

    #[test]
    fn process_killed_or_gone_then_ending() {
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
    fn threads_of_no_process_then_none() {
        assert!(of(0).is_empty());
        assert!(read(std::process::id(), 0).is_none());
    }
}
