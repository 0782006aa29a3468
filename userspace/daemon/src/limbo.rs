//! Memory that is no session's any more and that somebody may still have mapped.
//!
//! It is given back when the kernel says that nobody has it (W4), never before, and never used for
//! another session.

use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;

use onair_api::{Reading, Says, SessionId};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;

use crate::witness::mapping::mapping;

/// The memory of one session, or of one attachment that left a session.
#[derive(Debug, Default)]
pub struct Remains {
    /// Words.
    pub words: Vec<Arc<AttachmentMemory>>,
    /// Frames.
    pub frames: Vec<FrameMemory>,
}

impl Remains {
    /// How much it is at most, bytes.
    pub fn bytes(&self) -> u64 {
        let words: usize = self
            .words
            .iter()
            .map(|words| words.geometry().ctl_len() + words.geometry().seg_len())
            .sum();
        let frames: usize = self.frames.iter().map(FrameMemory::len).sum();
        (words + frames) as u64
    }

    /// W4.
    pub fn reading(&self) -> Reading {
        mapping(self.words.iter().map(|words| &**words), self.frames.iter())
    }
}

/// Everything that waits, and the thread that unmaps it (11 ms for 64 MiB: not for the control
/// thread).
#[derive(Debug)]
pub struct Limbo {
    waiting: Vec<(Option<SessionId>, Remains)>,
    undertaker: Sender<Remains>,
    thread: JoinHandle<()>,
}

impl Limbo {
    /// An empty one.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn open() -> std::io::Result<Self> {
        let (undertaker, remains) = channel::<Remains>();
        let thread = std::thread::Builder::new()
            .name("undertaker".into())
            .spawn(move || remains.into_iter().for_each(drop))?;
        Ok(Self {
            waiting: Vec::new(),
            undertaker,
            thread,
        })
    }

    /// Keeps the remains of an attachment (`None`), or of a whole session whose certificate is to
    /// be completed.
    pub fn keep(&mut self, session: Option<SessionId>, remains: Remains) {
        self.waiting.push((session, remains));
    }

    /// Whether something waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Returns when everything that nobody has is unmapped. What still waits goes with the process.
    ///
    /// # Errors
    /// The thread panicked.
    pub fn close(self) -> Result<(), String> {
        drop(self.undertaker);
        drop(self.waiting);
        self.thread.join().map_err(|_| "it panicked".to_owned())
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> u64 {
        self.waiting
            .iter()
            .map(|(_, remains)| remains.bytes())
            .sum()
    }

    /// Gives back what nobody has any more. Returns the sessions of which that was the last, with
    /// the bytes and the reading that allowed it.
    pub fn sweep(&mut self) -> Vec<(SessionId, u64, Reading)> {
        let mut done = Vec::new();
        let (free, waiting): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .map(|(session, remains)| (session, remains.reading(), remains))
            .partition(|(_, reading, _)| reading.says == Says::Zero);
        self.waiting = waiting
            .into_iter()
            .map(|(session, _, remains)| (session, remains))
            .collect();
        for (session, reading, remains) in free {
            if let Some(session) = session {
                done.push((session, remains.bytes(), reading));
            }
            // Without the thread it is dropped here, late but safe.
            if let Err(rejected) = self.undertaker.send(remains) {
                drop(rejected);
            }
        }
        done
    }
}
