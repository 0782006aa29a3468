//! A thread that computes the SHA-256 of a file while the drain thread writes it: the sum takes
//! longer than the writing.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::{self, JoinHandle};

use sha2::{Digest as _, Sha256};

use super::block::{BLOCK, Block};

/// Most blocks in its queue; above it the drain thread waits.
const WAITING: usize = 16;

/// SHA-256 of a file in the format of `sha256sum`; received once it is known.
pub(crate) type Sum = Receiver<io::Result<String>>;

/// Jobs, in the order of the bytes in the file.
enum SumJob {
    /// The next bytes of the file.
    Add(Block),
    /// The file was truncated to this many bytes.
    Cut(Arc<File>, u64),
    /// The file is complete: send its sum. The next bytes belong to another file.
    Finish(Sender<io::Result<String>>),
}

/// The drain thread's handle.
pub(crate) struct Summer {
    jobs: Option<SyncSender<SumJob>>,
    spare: Receiver<Block>,
    thread: Option<JoinHandle<()>>,
}

impl Summer {
    /// Starts the thread.
    pub(crate) fn start(name: &str) -> io::Result<Self> {
        let (jobs, inbox) = sync_channel(WAITING);
        let (used, spare) = channel();
        let thread = thread::Builder::new()
            .name(format!("sum-{name}"))
            .spawn(move || run(&inbox, &used))?;
        Ok(Self {
            jobs: Some(jobs),
            spare,
            thread: Some(thread),
        })
    }

    fn give(&self, job: SumJob) {
        if let Some(jobs) = &self.jobs {
            // The receiver of the sum gets the thread's failure.
            let _ = jobs.send(job);
        }
    }

    /// An empty block, reused if possible.
    pub(crate) fn spare(&self) -> Block {
        self.spare.try_recv().unwrap_or_else(|_| Block::new())
    }

    /// Adds the file's next bytes.
    pub(crate) fn add(&self, block: Block) {
        self.give(SumJob::Add(block));
    }

    /// The file was truncated to `bytes` bytes.
    pub(crate) fn cut(&self, file: &Arc<File>, size: u64) {
        self.give(SumJob::Cut(Arc::clone(file), size));
    }

    /// The file is complete. Returns its sum once known. The next bytes belong to another file.
    pub(crate) fn finish(&self) -> Sum {
        let (sender, sum) = channel();
        self.give(SumJob::Finish(sender));
        sum
    }
}

impl Drop for Summer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // If it failed, the receivers of sums have been told.
            let _ = thread.join();
        }
    }
}

fn run(inbox: &Receiver<SumJob>, used: &Sender<Block>) {
    let mut hash = Ok(Sha256::new());
    for job in inbox {
        match job {
            SumJob::Add(block) => {
                if let Ok(hash) = &mut hash {
                    hash.update(block.bytes());
                }
                // The drain thread may have ended.
                let _ = used.send(block.emptied());
            }
            // The sum includes the removed bytes: only in this case the file is read again.
            SumJob::Cut(file, size) => hash = hash_of(&file, size),
            SumJob::Finish(sum) => {
                let hash = std::mem::replace(&mut hash, Ok(Sha256::new()));
                let _ = sum.send(hash.map(|it| hexadecimal(&it.finalize())));
            }
        }
    }
}

/// SHA-256 of the first `bytes` bytes of a file.
fn hash_of(file: &File, size: u64) -> io::Result<Sha256> {
    let mut hash = Sha256::new();
    let mut block = vec![0; BLOCK];
    let mut at = 0;
    while at < size {
        let want = usize::try_from(size - at).map_or(BLOCK, |left| left.min(BLOCK));
        let got = file.read_at(&mut block[..want], at)?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        hash.update(&block[..got]);
        at += got as u64;
    }
    Ok(hash)
}

/// Hexadecimal bytes in the format of `sha256sum`.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
