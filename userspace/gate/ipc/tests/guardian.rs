//! The guardian has the files of a dead daemon until the daemon's callers were told, and gives them
//! back then. It is never left behind.
#![cfg(not(feature = "loom"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod rig;

use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::process::Stdio;
use std::time::Duration;

use onair_ipc::caller::Refusal;
use onair_ipc::guardian::{Guardian, NAME};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::pipe::pipe;
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open, test_kill_process};
use tempfile::TempDir;

use rig::daemon::{Daemon, play, system_call};
use rig::threads::{Sleeper, Taken, again, is_child, is_readable, until};

const CALLERS: usize = 8;
/// What two processes have in common: kcmp(2).
const KCMP_VM: libc::c_long = 1;
const KCMP_FILES: libc::c_long = 2;
const FOLDER: &str = "STATE_DIRECTORY";
/// Longer than the guardian takes to close a file.
const MOMENT: Duration = Duration::from_millis(100);

/// The child's side: has a lock on the folder and prints its guardian's pid. For each line that it
/// reads it ends the guardian and starts another one.
fn serve() {
    let mut guardian = Guardian::start().unwrap();
    // The guardian has also what the daemon opens later.
    let lock = File::open(std::env::var_os(FOLDER).unwrap()).unwrap();
    flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    println!("guardian {}", guardian.pid());
    for _ in std::io::stdin().lines() {
        drop(guardian);
        guardian = Guardian::start().unwrap();
        println!("guardian {}", guardian.pid());
    }
}

/// A daemon with a guardian and blocked callers. It also has, as its standard error, a pipe's end.
struct Guarded {
    daemon: Daemon,
    guardian: Pid,
    callers: Vec<Sleeper<Taken>>,
    /// The other end: readable when the daemon's end is closed.
    pipe: OwnedFd,
    folder: TempDir,
}

impl Guarded {
    fn start(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (ours, theirs) = pipe().unwrap();
        let mut child = again(test);
        child.env(FOLDER, folder.path()).stdin(Stdio::piped());
        let mut daemon = Daemon::start(child.stderr(theirs));
        // The command has the daemon's end of the pipe.
        drop(child);
        let guardian = guardian_of(&mut daemon);
        let call = |()| Sleeper::<()>::call(&daemon.client);
        let callers = [(); CALLERS].map(call).into();
        Self {
            daemon,
            guardian,
            callers,
            pipe: ours,
            folder,
        }
    }

    fn are_told(&mut self) {
        for caller in self.callers.drain(..) {
            caller.until_done();
            assert_eq!(caller.join(), Err(Refusal::Stale));
        }
    }

    /// Whether the lock of its folder is free.
    fn is_free(&self) -> bool {
        let folder = File::open(self.folder.path()).unwrap();
        match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => true,
            Err(error) => {
                assert_eq!(error, Errno::WOULDBLOCK);
                false
            }
        }
    }

    fn signal(&self, signal: Signal) {
        kill_process(self.guardian, signal).unwrap();
    }
}

fn guardian_of(daemon: &mut Daemon) -> Pid {
    Pid::from_raw(daemon.heard("guardian").parse().unwrap()).unwrap()
}

fn is_gone(pid: Pid) -> bool {
    test_kill_process(pid) == Err(Errno::SRCH)
}

#[test]
fn guardian_killed_daemon_then_callers_told_before_files_close() {
    const TEST: &str = "guardian_killed_daemon_then_callers_told_before_files_close";
    if is_child() {
        return play(serve);
    }
    for _ in 0..8 {
        let mut guarded = Guarded::start(TEST);
        let process = pidfd_open(guarded.guardian, PidfdFlags::empty()).unwrap();
        guarded.signal(Signal::STOP);
        guarded.daemon.kill();
        guarded.are_told();
        assert!(!is_readable(&guarded.pipe, MOMENT), "a file is closed");
        assert!(!guarded.is_free(), "the lock is free");
        guarded.signal(Signal::CONT);
        assert!(
            is_readable(&process, Duration::from_secs(20)),
            "left behind"
        );
        assert!(is_readable(&guarded.pipe, Duration::ZERO));
        assert!(guarded.is_free());
    }
}

#[test]
fn guardian_dies_with_or_before_the_daemon_then_callers_told() {
    const TEST: &str = "guardian_dies_with_or_before_the_daemon_then_callers_told";
    if is_child() {
        return play(serve);
    }
    for round in 0..8 {
        let mut guarded = Guarded::start(TEST);
        if round % 2 == 0 {
            guarded.signal(Signal::KILL);
        }
        guarded.daemon.child.kill().unwrap();
        if round % 2 == 1 {
            // As the out-of-memory killer does: both at once.
            guarded.signal(Signal::KILL);
        }
        guarded.daemon.child.wait().unwrap();
        guarded.are_told();
        until("a file is open", || {
            guarded.is_free() && is_readable(&guarded.pipe, Duration::ZERO)
        });
    }
}

#[test]
fn guardian_gets_signals_then_only_kill_ends_and_replaces_it() {
    const TEST: &str = "guardian_gets_signals_then_only_kill_ends_and_replaces_it";
    if is_child() {
        return play(serve);
    }
    let mut guarded = Guarded::start(TEST);
    let pid = guarded.guardian.as_raw_nonzero();
    for what in [KCMP_VM, KCMP_FILES] {
        let pids = [guarded.daemon.child.id().into(), pid.get().into(), what];
        assert_eq!(
            system_call(libc::SYS_kcmp, pids),
            0,
            "it has its own {what}"
        );
    }
    let name = || std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    until("it has no name", || name().trim_end() == NAME);
    for signal in [Signal::TERM, Signal::INT, Signal::HUP, Signal::USR1] {
        guarded.signal(signal);
    }
    let process = pidfd_open(guarded.guardian, PidfdFlags::empty()).unwrap();
    assert!(!is_readable(&process, MOMENT), "a signal ended it");
    for _ in 0..50 {
        let before = guarded.guardian;
        let mut stdin = guarded.daemon.child.stdin.as_ref().unwrap();
        stdin.write_all(b"\n").unwrap();
        guarded.guardian = guardian_of(&mut guarded.daemon);
        assert!(is_gone(before));
    }
    // In order: the guardian goes first, so the end of the process is the end of everything.
    drop(guarded.daemon.child.stdin.take());
    let last = guarded.guardian;
    assert!(guarded.daemon.child.wait().unwrap().success());
    assert!(is_gone(last));
    assert!(guarded.is_free());
    guarded.are_told();
}
