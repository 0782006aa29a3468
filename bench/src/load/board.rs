//! Words that the bench shares with its child processes: the starting gun, and the finish.

use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use onair::{Client, Session};
use onair_ipc::mapping::{Access, Mapping};
use onair_ipc::memfd::Memfd;
use onair_ipc::sys;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::thread::futex;

/// The round that ends the children.
pub(crate) const OVER: u32 = u32::MAX;
const BYTES: usize = 4096;
const GO: usize = 0;
const ARRIVED: usize = 64;
const DONE: usize = 128;
const FINISH: usize = 192;
const READY: usize = 320;
/// Where the reference's sleepers wait.
pub(crate) const SLEEP_WORD: usize = 256;

/// The parent's words.
pub(crate) struct Board {
    memfd: Memfd,
}

impl Board {
    pub(crate) fn create() -> Result<Self> {
        Ok(Self {
            memfd: Memfd::create("onair-bench", BYTES, false)?,
        })
    }

    /// What a child opens it by, for as long as this process keeps it.
    pub(crate) fn path(&self) -> String {
        let fd = self.memfd.as_fd().as_raw_fd();
        format!("/proc/{}/fd/{fd}", std::process::id())
    }

    /// This program as a child in the role `role`, which gets the board and an attach socket.
    pub(crate) fn child(&self, role: &str, attach: &Path) -> Result<Command> {
        Ok(self.child_of(&std::env::current_exe()?, role, attach))
    }

    /// The same with a copy of this program.
    pub(crate) fn child_of(&self, program: &Path, role: &str, attach: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .args([role, "--board", &self.path(), "--attach"])
            .arg(attach)
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn words(&self) -> Words<'_> {
        Words(self.memfd.mapping())
    }
}

/// What [`Board::child`] tells a child.
#[derive(clap::Args)]
pub(crate) struct Ends {
    #[arg(long)]
    board: String,
    /// The attach socket
    #[arg(long)]
    attach: PathBuf,
}

impl Ends {
    /// The board's words.
    pub(crate) fn board(&self) -> Result<Mapping> {
        open(&self.board)
    }

    /// Attaches to the session `bench`.
    pub(crate) fn session(&self) -> Result<Session> {
        Ok(Client::at(&self.attach).attach("bench")?)
    }
}

/// The same words in a child.
pub(crate) fn open(path: &str) -> Result<Mapping> {
    let file = rustix::fs::open(path, OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .with_context(|| format!("opening {path}"))?;
    Ok(Mapping::new(file.as_fd(), BYTES, Access::ReadWrite)?)
}

/// The words.
#[derive(Clone, Copy)]
pub(crate) struct Words<'a>(pub(crate) &'a Mapping);

impl<'a> Words<'a> {
    /// Starts round `round` (counted from 1).
    pub(crate) fn start(self, round: u32) {
        self.0.at::<AtomicU32>(ARRIVED).store(0, Ordering::SeqCst);
        set(self.0.at(GO), round);
    }

    /// The rounds as they start, until [`OVER`].
    pub(crate) fn rounds(self) -> impl Iterator<Item = u32> {
        let mut round = 0;
        std::iter::from_fn(move || {
            round = wait_change(self.0.at(GO), round);
            (round != OVER).then_some(round)
        })
    }

    /// One of `count` has arrived; the last one stops the clock of round `round`.
    pub(crate) fn arrive(self, count: u32, round: u32) {
        let arrived = self
            .0
            .at::<AtomicU32>(ARRIVED)
            .fetch_add(1, Ordering::SeqCst)
            + 1;
        if arrived == count {
            let now = sys::monotonic_ns();
            self.0.at::<AtomicU64>(FINISH).store(now, Ordering::SeqCst);
            set(self.0.at(DONE), round);
        }
    }

    /// Waits for the last arrival of round `round`; when it was (CLOCK_MONOTONIC, ns).
    pub(crate) fn finish(self, round: u32) -> u64 {
        let done: &AtomicU32 = self.0.at(DONE);
        let mut seen = done.load(Ordering::SeqCst);
        while seen != round {
            seen = wait_change(done, seen);
        }
        self.0.at::<AtomicU64>(FINISH).load(Ordering::SeqCst)
    }

    /// A child is about to sleep in round `round`; no child is woken for it.
    pub(crate) fn set_ready(self, round: u32) {
        self.0.at::<AtomicU32>(READY).store(round, Ordering::SeqCst);
    }

    /// The last round in which a child said that.
    pub(crate) fn ready(self) -> u32 {
        self.0.at::<AtomicU32>(READY).load(Ordering::SeqCst)
    }

    /// The word that the reference sleeps on.
    pub(crate) fn sleep_word(self) -> &'a AtomicU32 {
        self.0.at(SLEEP_WORD)
    }
}

fn set(word: &AtomicU32, value: u32) {
    word.store(value, Ordering::SeqCst);
    sys::futex_wake(word, sys::ALL);
}

/// Sleeps until `word` is no longer `old`: FUTEX_WAIT and nothing else.
pub(crate) fn wait_change(word: &AtomicU32, old: u32) -> u32 {
    loop {
        let now = word.load(Ordering::SeqCst);
        if now != old {
            return now;
        }
        match futex::wait(word, futex::Flags::empty(), old, None) {
            Ok(()) | Err(Errno::AGAIN | Errno::INTR) => {}
            Err(errno) => panic!("FUTEX_WAIT: {errno}"),
        }
    }
}
