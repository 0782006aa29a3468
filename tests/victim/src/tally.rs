//! What a victim's threads did, in a file that outlives them.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use onair_ipc::mapping::{Access, Mapping};

/// Most threads that a victim has.
const THREADS: usize = 63;
/// Words of a thread: frames taken, frames given back, phase.
const WORDS: usize = 8;
const BYTES: usize = (THREADS + 1) * WORDS * 8;

/// A page in which each thread of a victim counts what it takes and gives back.
#[derive(Debug)]
pub struct Tally(Mapping);

/// What a thread was at when its process died.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Phase {
    /// Neither of the others.
    Outside = 0,
    /// In `buffer_get`: it may have taken a frame that is not counted yet.
    Getting = 1,
    /// In `buffer_put`: it may have given back a frame that is still counted.
    Putting = 2,
}

/// A range that the truth lies in: the last step of each thread may have been taken or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ran {
    /// Fewest and most frames that were held at the end.
    pub held: (u64, u64),
    /// Fewest and most frames that were given back.
    pub put: (u64, u64),
}

impl std::ops::AddAssign for Ran {
    fn add_assign(&mut self, other: Self) {
        for (mine, others) in [(&mut self.held, other.held), (&mut self.put, other.put)] {
            *mine = (mine.0 + others.0, mine.1 + others.1);
        }
    }
}

impl Tally {
    /// Makes the file, for a victim to come.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path)?;
        file.set_len(BYTES as u64)?;
        Ok(Self(Mapping::new(file.as_fd(), BYTES, Access::ReadWrite)?))
    }

    /// Opens the file that was made for this victim.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).open(path)?;
        if file.metadata()?.len() < BYTES as u64 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Self(Mapping::new(file.as_fd(), BYTES, Access::ReadWrite)?))
    }

    fn words(&self, thread: usize) -> &[AtomicU64] {
        assert!(thread < THREADS, "a victim has at most {THREADS} threads");
        self.0.slice(thread * WORDS * 8, 3)
    }

    /// Notes what `thread` is about to do.
    pub fn enter(&self, thread: usize, phase: Phase) {
        self.words(thread)[2].store(phase as u64, Ordering::SeqCst);
    }

    /// Notes that `thread` has taken a frame.
    pub fn taken(&self, thread: usize) {
        self.words(thread)[0].fetch_add(1, Ordering::SeqCst);
        self.enter(thread, Phase::Outside);
    }

    /// Notes that `thread` has given a frame back.
    pub fn put(&self, thread: usize) {
        self.words(thread)[1].fetch_add(1, Ordering::SeqCst);
        self.enter(thread, Phase::Outside);
    }

    /// What `threads` did, once their process is dead.
    pub fn sum(&self, threads: impl Iterator<Item = usize>) -> Ran {
        let mut sum = Ran::default();
        for thread in threads {
            let [taken, put, phase] =
                [0, 1, 2].map(|word| self.words(thread)[word].load(Ordering::SeqCst));
            let getting = u64::from(phase == Phase::Getting as u64);
            let putting = u64::from(phase == Phase::Putting as u64);
            sum += Ran {
                held: (
                    taken.saturating_sub(put + putting),
                    (taken + getting).saturating_sub(put),
                ),
                put: (put, put + putting),
            };
        }
        sum
    }
}
