//! Starts `onair-convert` for one converted session, and starts it again when it has ended.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use tokio::sync::mpsc::UnboundedSender;

/// Name of the program; it lies beside the daemon's.
const PROGRAM: &str = "onair-convert";
/// First and longest pause before it is started again.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);
/// A process that lived for so long is started again after the first pause.
const LIVED: Duration = Duration::from_secs(10);

/// The process, as the thread that keeps it says.
#[derive(Debug)]
pub(super) enum Kept {
    /// It runs.
    Started {
        pid: u32,
        pidfd: OwnedFd,
        socket: OwnedFd,
    },
    /// It does not run: why, with what to do.
    Down(String),
}

/// Starts the thread that keeps it until the other end of `ended` is dropped. The kernel kills the process when this
/// thread ends, so it is no thread that anything else ends.
pub(super) fn keep(
    cores: &[usize],
    ended: Receiver<()>,
    kept: UnboundedSender<Kept>,
) -> io::Result<()> {
    let cores = cores.iter().map(|core| format!("--keep-off={core}"));
    let cores: Vec<_> = cores.collect();
    let work = move || {
        let mut pause = FIRST_PAUSE;
        loop {
            let since = Instant::now();
            let why = run(&cores, &kept);
            if since.elapsed() >= LIVED {
                pause = FIRST_PAUSE;
            }
            if kept.send(Kept::Down(why)).is_err()
                || ended.recv_timeout(pause) != Err(RecvTimeoutError::Timeout)
            {
                return;
            }
            pause = (pause * 2).min(LAST_PAUSE);
        }
    };
    thread::Builder::new()
        .name("converter".to_owned())
        .spawn(work)
        .map(drop)
}

/// Where the program is: beside the daemon's.
fn path() -> Result<PathBuf, String> {
    let own = std::env::current_exe();
    let own = own.map_err(|error| format!("cannot tell where {PROGRAM} is: {error}"))?;
    Ok(own.with_file_name(PROGRAM))
}

/// Whether the program is there.
///
/// # Errors
/// Why it is not, with its path.
pub(crate) fn check_program() -> Result<(), String> {
    let path = path()?;
    match path.metadata() {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// Runs it until it ends: why it ended, or why it did not start.
fn run(cores: &[String], kept: &UnboundedSender<Kept>) -> String {
    let path = match path() {
        Ok(path) => path,
        Err(why) => return why,
    };
    let name = path.display();
    let ended = start(&path, cores).and_then(|(mut child, socket)| {
        // A process without a pidfd or a receiver has no socket, and ends.
        if let Ok(pidfd) = pidfd_of(&child) {
            let pid = child.id();
            let _ = kept.send(Kept::Started { pid, pidfd, socket });
        }
        child.wait()
    });
    match ended {
        Ok(status) => format!("{name} has ended ({status}), and is started again"),
        Err(error) => {
            format!("cannot start {name}: {error}. Install it beside onaird, of the same release")
        }
    }
}

fn start(path: &Path, cores: &[String]) -> io::Result<(Child, OwnedFd)> {
    let (socket, theirs) = socketpair(
        AddressFamily::UNIX,
        SocketType::SEQPACKET,
        SocketFlags::CLOEXEC,
        None,
    )?;
    // Else it has the daemon's queues, too, which are then never free.
    onair_dpdk::inherit_no_files()?;
    let child = Command::new(path).args(cores).stdin(theirs).spawn()?;
    Ok((child, socket))
}

fn pidfd_of(child: &Child) -> io::Result<OwnedFd> {
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or(Errno::SRCH)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
