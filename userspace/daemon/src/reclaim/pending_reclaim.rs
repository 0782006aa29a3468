//! Memory that no session owns any more and that a process may still have mapped.
//!
//! It is freed when the kernel says that no process has it (W4), never before, and never reused for
//! another session.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use onair_api::{Reading, Says, SessionId};
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;
use onair_session::RetiredMemory;
use onair_workers::{JobsNotDone, ThreadRegistry};
use tokio::sync::oneshot;

use crate::reclaim::reclaimer::{Charge, Reclaimer};
use crate::witness::mapping;

/// Pause between two looks at memory that waits for W4.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Waiting {
    charge: Charge,
    /// It is the memory of a whole session: a certificate waits to be completed.
    is_whole: bool,
    retired: RetiredMemory,
}

/// All memory that waits for W4, and the thread that unmaps it.
#[derive(Debug)]
pub struct PendingReclaim {
    waiting: VecDeque<Waiting>,
    /// Whole sessions on their way back, whose certificates wait to be completed, with the size and W4's reading.
    returning: Vec<(SessionId, u64, Reading)>,
    /// When the next look is due, while something waits.
    look_at: Instant,
    reclaimer: Reclaimer,
}

impl PendingReclaim {
    /// An empty list; its thread is one of the daemon's `threads`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn open(threads: &ThreadRegistry) -> std::io::Result<Self> {
        Ok(Self {
            waiting: VecDeque::new(),
            returning: Vec::new(),
            look_at: Instant::now(),
            reclaimer: Reclaimer::start(threads)?,
        })
    }

    /// Returns a session's retired memory, with that of the attachments that left it while it ran, if
    /// no process has it any more, and W4's reading that says so: [`Self::free`] it.
    ///
    /// # Errors
    /// W4's reading, if a process has it: the memory is kept.
    pub fn take_or_keep(
        &mut self,
        charge: Charge,
        mut retired: RetiredMemory,
    ) -> Result<(RetiredMemory, Reading), Reading> {
        let is_part = |it: &Waiting| it.charge.session == charge.session && !it.is_whole;
        let (parts, others): (Vec<_>, _) = self.waiting.drain(..).partition(is_part);
        self.waiting = others.into();
        for part in parts {
            if !mutant!("W4: leaves out what departed senders still map") {
                retired.add(part.retired);
            }
        }
        let reading = mapping::of(&retired);
        if reading.says != Says::Zero {
            self.wait(charge, true, retired);
            return Err(reading);
        }
        Ok((retired, reading))
    }

    /// Keeps the retired memory of attachments that have left a session until no process has it any
    /// more.
    pub fn keep(&mut self, charge: Charge, retired: RetiredMemory) {
        self.wait(charge, false, retired);
    }

    fn wait(&mut self, charge: Charge, is_whole: bool, retired: RetiredMemory) {
        if self.waiting.is_empty() && self.returning.is_empty() {
            self.look_at = Instant::now() + PAUSE;
        }
        self.waiting.push_back(Waiting {
            charge,
            is_whole,
            retired,
        });
    }

    /// The words of attachments that have left `session`, whether or not a process still has them.
    pub fn memory_of_former_clients(
        &self,
        session: SessionId,
    ) -> impl Iterator<Item = &AttachmentMemory> {
        let parts = self.parts_of(session);
        parts.flat_map(|retired| retired.words().map(|words| &**words))
    }

    /// The retired memory of attachments that left `session` while it ran: its certificate covers
    /// it, too.
    pub fn parts(&self, session: SessionId) -> RetiredMemory {
        let mut all = RetiredMemory::default();
        for part in self.parts_of(session) {
            all.clients.extend_from_slice(&part.clients);
            all.own.extend_from_slice(&part.own);
        }
        all
    }

    fn parts_of(&self, session: SessionId) -> impl Iterator<Item = &RetiredMemory> {
        let is_part = move |it: &&Waiting| it.charge.session == session && !it.is_whole;
        self.waiting.iter().filter(is_part).map(|it| &it.retired)
    }

    /// When the next sweep is due, if something waits.
    pub fn wake_at(&self) -> Option<Instant> {
        let waits = !self.waiting.is_empty() || !self.returning.is_empty();
        let look_at = waits.then_some(self.look_at);
        look_at.into_iter().chain(self.reclaimer.wake_at()).min()
    }

    /// Unmaps memory that no process has any more, on a thread of its own.
    pub fn free(&self, charge: Charge, retired: RetiredMemory) {
        self.reclaimer.give_back(charge, retired);
    }

    /// Whether the last memory of a session is on its way back.
    pub fn is_returning(&self) -> bool {
        !self.returning.is_empty()
    }

    /// Ready when nothing of `session` is on its way back any more.
    pub fn returned(&self, session: SessionId) -> oneshot::Receiver<()> {
        self.reclaimer.returned(session)
    }

    /// Bytes of files that no process has, but the kernel with pages of them, by session and user.
    pub fn pinned(&self) -> Vec<(Charge, u64)> {
        self.reclaimer.pinned()
    }

    /// Returns when everything that no process has is unmapped, at `deadline` at the latest. What
    /// still waits ends with the daemon's process.
    ///
    /// # Errors
    /// What is not unmapped.
    pub fn close(self, deadline: Instant) -> Result<(), JobsNotDone> {
        drop(self.waiting);
        self.reclaimer.close(deadline)
    }

    /// Bytes that are not given back.
    pub fn bytes(&self) -> u64 {
        let all = self.held_by_user().chain(self.returning_by_user());
        all.map(|(_, bytes)| bytes).sum()
    }

    /// Bytes that a process or the kernel has, with the user that they are charged to; a user comes several times.
    pub fn held_by_user(&self) -> impl Iterator<Item = (u32, u64)> {
        let waiting = self.waiting.iter();
        let mapped = waiting.flat_map(|it| it.retired.bytes_by_user(it.charge.uid));
        let pinned = self.reclaimer.pinned().into_iter();
        mapped.chain(pinned.map(|(charge, bytes)| (charge.uid, bytes)))
    }

    /// The same of bytes on their way back, which no process has.
    pub fn returning_by_user(&self) -> impl Iterator<Item = (u32, u64)> {
        self.reclaimer.returning().into_iter()
    }

    /// Frees memory that no process has any more, until `until` at most, and has the thread ask for pinned
    /// pages; the next sweep begins with what this one did not reach. Returns the sessions whose last memory is given
    /// back, with the bytes and the reading that allowed it.
    pub fn sweep(&mut self, until: Instant) -> Vec<(SessionId, u64, Reading)> {
        self.reclaimer.ask_again(Instant::now());
        for _ in 0..self.waiting.len() {
            let Some(it) = self.waiting.pop_front() else {
                break;
            };
            let reading = mapping::of(&it.retired);
            if reading.says != Says::Zero {
                self.waiting.push_back(it);
            } else {
                if it.is_whole {
                    let bytes = it.retired.bytes();
                    self.returning.push((it.charge.session, bytes, reading));
                }
                self.free(it.charge, it.retired);
            }
            if Instant::now() >= until {
                break;
            }
        }
        self.look_at = Instant::now() + PAUSE;
        let reclaimer = &self.reclaimer;
        let is_back = |it: &mut (SessionId, u64, Reading)| !reclaimer.has(it.0);
        self.returning.extract_if(.., is_back).collect()
    }

    /// Makes the next sweep due now: some memory may have become free.
    pub fn sweep_soon(&mut self) {
        self.look_at = Instant::now();
    }
}
