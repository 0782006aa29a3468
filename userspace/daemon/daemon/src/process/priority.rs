//! The priority of a daemon that has been replaced.

use std::fs;

use rustix::process::{Pid, setpriority_process};

/// The lowest one (sched(7)).
const LAST: i32 = 19;

/// Leaves the cores to other processes as far as they want them: all threads that this one has now.
pub fn step_back() {
    let threads = fs::read_dir("/proc/self/task").into_iter().flatten();
    let names = threads.filter_map(|it| it.ok()?.file_name().into_string().ok());
    for thread in names.filter_map(|name| Pid::from_raw(name.parse().ok()?)) {
        // Of this thread alone (setpriority(2)); it may have ended.
        let _ = setpriority_process(Some(thread), LAST);
    }
}
