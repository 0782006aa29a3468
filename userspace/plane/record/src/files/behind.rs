//! A thread that writes whole blocks to a file past the page cache (O_DIRECT, open(2)), while the
//! drain thread fills the next ones.
//!
//! It judges no error: blocks that it did not write come back, and the drain thread writes them
//! through the page cache, where an error counts.

use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd as _;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use onair_mutant::mutant;
use rustix::fs::{Mode, OFlags, open};
use rustix::io::pwritev;

use super::block::{BLOCK, Block, is_aligned};

/// Most bytes under way; above it the drain thread waits.
const MOST: usize = 8 * BLOCK;
/// Most blocks of one write: a disk is faster with more than one, and the next ones are filled
/// meanwhile.
const AT_ONCE: usize = 4;

/// Consecutive blocks of one file that another thread writes.
#[derive(Debug, Default)]
pub(super) enum WriteBehind {
    #[default]
    Idle,
    Running(Writer),
    /// The file system, or a write, has refused.
    Refused,
}

/// The thread.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<Sender<WriteJob>>,
    done: Receiver<Written>,
    thread: Option<JoinHandle<()>>,
    /// Bytes that have not come back.
    open: usize,
}

#[derive(Debug)]
struct WriteJob {
    block: Block,
    offset: u64,
}

/// A block that has come back. If it is not written, all later ones are not either.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) block: Block,
    pub(super) is_written: bool,
}

impl WriteBehind {
    /// Whether it takes `bytes`, to be written at `offset` of `file`. Starts the thread.
    pub(super) fn takes(&mut self, name: &str, file: &File, (bytes, offset): (&[u8], u64)) -> bool {
        if matches!(self, Self::Idle) && is_aligned(bytes, offset) {
            *self = Writer::start(name, file).map_or(Self::Refused, Self::Running);
        }
        matches!(self, Self::Running(_)) && is_aligned(bytes, offset)
    }

    /// Has the bytes of `block`, which it takes, written at `offset`: behind those given before.
    pub(super) fn give(&mut self, block: Block, offset: u64) {
        if let Self::Running(writer) = self
            && let Some(jobs) = &writer.jobs
        {
            writer.open += block.len();
            jobs.send(WriteJob { block, offset })
                .expect("the thread waits for jobs as long as there is a sender");
        }
    }

    /// The next block that has come back, in the order in which they were given. Waits for it if
    /// too many are under way, or with `all` if there is one.
    pub(super) fn next(&mut self, all: bool) -> Option<Written> {
        let Self::Running(writer) = self else {
            return None;
        };
        let written = match writer.open {
            0 => None,
            open if all || open > MOST => writer.done.recv().ok(),
            _ => writer.done.try_recv().ok(),
        };
        writer.open -= written.as_ref().map_or(0, |it| it.block.len());
        written
    }

    /// Takes no further blocks. None is under way.
    pub(super) fn refuse(&mut self) {
        *self = Self::Refused;
    }
}

impl Writer {
    fn start(name: &str, file: &File) -> io::Result<Self> {
        let direct = reopen(file)?;
        let (jobs, inbox) = channel();
        let (outbox, done) = channel();
        let thread = thread::Builder::new()
            .name(format!("write-{name}"))
            .spawn(move || run(&direct, &inbox, &outbox))?;
        Ok(Self {
            jobs: Some(jobs),
            done,
            thread: Some(thread),
            open: 0,
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It writes what it was given.
            let _ = thread.join();
        }
    }
}

fn run(direct: &File, inbox: &Receiver<WriteJob>, outbox: &Sender<Written>) {
    let mut is_written = true;
    while let Ok(first) = inbox.recv() {
        let mut jobs = vec![first];
        jobs.extend(inbox.try_iter().take(AT_ONCE - 1));
        is_written =
            is_written && (write(direct, &jobs) || mutant!("direct writes: a refused one counts"));
        for WriteJob { block, .. } in jobs {
            // The drain thread may have failed.
            let _ = outbox.send(Written { block, is_written });
        }
    }
}

/// Writes consecutive blocks; whether all of them are written.
fn write(direct: &File, jobs: &[WriteJob]) -> bool {
    let slices: Vec<_> = jobs
        .iter()
        .map(|job| IoSlice::new(job.block.bytes()))
        .collect();
    let size: usize = slices.iter().map(|it| it.len()).sum();
    pwritev(direct, &slices, jobs[0].offset) == Ok(size)
}

/// Opens the same file, whatever its name is by now, for direct writes. The other descriptor stays
/// as it is: its users read and write any bytes.
fn reopen(file: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = OFlags::WRONLY | OFlags::DIRECT | OFlags::CLOEXEC;
    Ok(open(path, flags, Mode::empty())?.into())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    fn block_of(byte: u8) -> Block {
        let mut block = Block::new();
        let end = block.out().len() + BLOCK;
        block.out().resize(end, byte);
        block
    }

    #[test]
    fn blocks_of_any_file_system_then_written_in_order() {
        for place in [std::env::temp_dir(), "/dev/shm".into()] {
            let file = tempfile::tempfile_in(place).unwrap();
            let can_be = reopen(&file).is_ok();
            let mut behind = WriteBehind::default();
            for number in 0..20 {
                let (block, offset) = (block_of(number), u64::from(number) * BLOCK as u64);
                assert!(!behind.takes("t", &file, (&block.bytes()[1..], offset)));
                assert_eq!(behind.takes("t", &file, (block.bytes(), offset)), can_be);
                behind.give(block, offset);
                if let WriteBehind::Running(writer) = &behind {
                    assert!(writer.open <= MOST + BLOCK);
                }
                let last = number == 19;
                while let Some(written) = behind.next(last) {
                    assert!(written.is_written);
                }
            }
            let mut found = vec![9; BLOCK];
            for number in (0..20).filter(|_| can_be) {
                let offset = u64::from(number) * BLOCK as u64;
                file.read_exact_at(&mut found, offset).unwrap();
                assert!(found == vec![number; BLOCK]);
            }
        }
    }

    #[test]
    fn file_that_has_no_direct_writes_then_refused() {
        // open(2): EINVAL, on every kernel.
        let file = File::options().write(true).open("/proc/self/comm").unwrap();
        let mut behind = WriteBehind::default();
        let block = block_of(b'x');
        for _ in 0..2 {
            assert!(!behind.takes("t", &file, (block.bytes(), 0)));
            assert!(matches!(behind, WriteBehind::Refused));
        }
        assert!(behind.next(true).is_none());
    }
}
