//! The thread that unmaps memory (11 ms for 64 MiB: too slow for the control thread), and what the kernel
//! does not give back with it: frames of which a former client has pages in a pipe or registered
//! with io_uring. The thread asks for one file of them at a time, and each question may take 0.15 s.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::SessionId;
use onair_ipc::frames::FrameMemory;
use onair_ipc::pinned_pages::PinnedPages;
use onair_session::RetiredMemory;
use onair_workers::{JobsNotDone, ThreadRegistry, Worker};

/// Pause between two questions about pinned pages.
const PAUSE: Duration = Duration::from_secs(1);
/// Memory that was handed in last is not charged: without pinned pages it is given back within
/// milliseconds, and its owner may need the room at once.
const FREE_OF_CHARGE: usize = 4;

/// The session that memory was of, and the user whose share it takes.
#[derive(Clone, Copy, Debug)]
pub struct Charge {
    /// The session.
    pub session: SessionId,
    /// The user.
    pub uid: u32,
}

/// The owner's side.
#[derive(Debug)]
pub struct Reclaimer {
    worker: Worker<ReclaimJob>,
    pending: Arc<PendingReclaims>,
    ask_at: Instant,
}

#[derive(Debug)]
enum ReclaimJob {
    GiveBack(Charge, RetiredMemory),
    /// Asks again for the file that was asked for longest ago.
    AskAgain,
}

/// Memory on its way back. Only the thread takes something out.
#[derive(Debug, Default)]
struct PendingReclaims(Mutex<Lists>);

#[derive(Debug, Default)]
struct Lists {
    handed_in: VecDeque<(Charge, u64)>,
    pinned: VecDeque<Pinned>,
    is_asking: bool,
    /// The daemon ends, and with it all that it holds.
    is_closing: bool,
}

#[derive(Debug)]
struct Pinned {
    charge: Charge,
    bytes: u64,
    /// `None` while the thread asks.
    pages: Option<PinnedPages>,
}

impl PendingReclaims {
    fn lock(&self) -> MutexGuard<'_, Lists> {
        // No code panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, job: ReclaimJob) {
        match job {
            ReclaimJob::GiveBack(charge, retired) => {
                drop(retired.words);
                for frames in retired.frames {
                    self.give_back(charge, frames);
                }
                self.lock().handed_in.pop_front();
            }
            ReclaimJob::AskAgain => self.ask_again(),
        }
    }

    fn give_back(&self, charge: Charge, frames: FrameMemory) {
        let asks = !self.lock().is_closing;
        if let Some(memory) = frames.into_file()
            && asks
            && let Err(pages) = memory.give_back()
        {
            let bytes = pages.bytes() as u64;
            tracing::warn!(
                session = %charge.session,
                bytes,
                "a process has pages of the session's frames in a pipe or registered with io_uring: \
                 the limit counts them until it lets go"
            );
            self.lock().pinned.push_back(Pinned {
                charge,
                bytes,
                pages: Some(pages),
            });
        }
    }

    fn ask_again(&self) {
        let pages = {
            let mut lists = self.lock();
            let front = lists.pinned.front_mut();
            front.and_then(|it| it.pages.take())
        };
        let answer = pages.map(PinnedPages::give_back);
        let mut lists = self.lock();
        lists.is_asking = false;
        match answer {
            Some(Ok(())) => {
                lists.pinned.pop_front();
            }
            Some(Err(pages)) => {
                if let Some(mut front) = lists.pinned.pop_front() {
                    front.pages = Some(pages);
                    lists.pinned.push_back(front);
                }
            }
            None => {}
        }
    }
}

impl Reclaimer {
    /// Starts the thread, one of the daemon's `threads`.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn start(threads: &ThreadRegistry) -> io::Result<Self> {
        let pending = Arc::new(PendingReclaims::default());
        let own = Arc::clone(&pending);
        let work = move |job| {
            own.run(job);
            Ok(())
        };
        Ok(Self {
            worker: Worker::start(threads, "reclaimer", work)?,
            pending,
            ask_at: Instant::now(),
        })
    }

    /// Unmaps memory that no process has any more. With another clone of its frames the kernel cannot be asked
    /// for pinned pages: the owner has dropped its own.
    pub fn give_back(&self, charge: Charge, retired: RetiredMemory) {
        debug_assert!(
            retired.frames.iter().all(FrameMemory::is_last),
            "the daemon still has frames of session {}",
            charge.session
        );
        let bytes = retired.bytes();
        self.pending.lock().handed_in.push_back((charge, bytes));
        self.hand_in(ReclaimJob::GiveBack(charge, retired));
    }

    /// When [`Self::ask_again`] is due, if pages are pinned.
    pub fn wake_at(&self) -> Option<Instant> {
        (!self.pending.lock().pinned.is_empty()).then_some(self.ask_at)
    }

    /// Has the thread ask for pinned pages, if that is due and it does not ask already.
    pub fn ask_again(&mut self, now: Instant) {
        if now < self.ask_at {
            return;
        }
        self.ask_at = now + PAUSE;
        let mut lists = self.pending.lock();
        let due = !lists.pinned.is_empty() && !lists.is_asking;
        lists.is_asking |= due;
        drop(lists);
        if due {
            self.hand_in(ReclaimJob::AskAgain);
        }
    }

    /// Memory that is charged: files with pinned pages, and what waits for the thread.
    pub fn charged(&self) -> Vec<(Charge, u64)> {
        let lists = self.pending.lock();
        let pinned = lists.pinned.iter().map(|it| (it.charge, it.bytes));
        let waiting = lists.handed_in.iter().rev().skip(FREE_OF_CHARGE).copied();
        pinned.chain(waiting).collect()
    }

    /// Bytes of the files with pinned pages, by the session that they were of.
    pub fn pinned(&self) -> BTreeMap<SessionId, (Charge, u64)> {
        let mut by_session = BTreeMap::new();
        for it in &self.pending.lock().pinned {
            let (_, bytes) = by_session
                .entry(it.charge.session)
                .or_insert((it.charge, 0));
            *bytes += it.bytes;
        }
        by_session
    }

    /// Returns when everything that was handed in is unmapped, at `deadline` at the latest. Pinned pages
    /// end with the daemon's process.
    ///
    /// # Errors
    /// What is not unmapped.
    pub fn close(self, deadline: Instant) -> Result<(), JobsNotDone> {
        self.pending.lock().is_closing = true;
        self.worker.close(deadline)
    }

    fn hand_in(&self, job: ReclaimJob) {
        // Without the thread it is done here: slow but safe.
        if let Err(rejected) = self.worker.hand_in(job) {
            self.pending.run(rejected);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;

    use onair_ipc::layout::Geometry;
    use rustix::pipe::{SpliceFlags, pipe, splice};

    use super::*;

    const CHARGE: Charge = Charge {
        session: SessionId(1),
        uid: 7,
    };

    /// Frames, and a pipe with one page of them.
    fn frames_in_a_pipe() -> (RetiredMemory, OwnedFd) {
        let frames = FrameMemory::create(Geometry::new(2, 8192).unwrap(), true).unwrap();
        // A hole would be read, not lent.
        frames.write(0, 0, &[1]);
        let (reader, writer) = pipe().unwrap();
        let client = frames.for_client().unwrap();
        let none = SpliceFlags::empty();
        splice(client, Some(&mut 0), writer, None, 4096, none).unwrap();
        let retired = RetiredMemory {
            words: Vec::new(),
            frames: vec![frames],
        };
        (retired, reader)
    }

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let limit = Instant::now() + Duration::from_secs(30);
        while !is_so() {
            assert!(Instant::now() < limit, "{what}");
            std::thread::yield_now();
        }
    }

    #[test]
    fn pages_of_two_files_in_pipes_then_charged_until_both_close() {
        let mut reclaimer = Reclaimer::start(&ThreadRegistry::default()).unwrap();
        let (retired, first) = frames_in_a_pipe();
        let bytes = retired.bytes();
        assert!(reclaimer.wake_at().is_none());
        reclaimer.give_back(CHARGE, retired);
        let (retired, second) = frames_in_a_pipe();
        reclaimer.give_back(CHARGE, retired);
        until("both are found", || reclaimer.charged().len() == 2);
        let of_session = reclaimer.pinned()[&CHARGE.session].1;
        assert_eq!(of_session, 2 * bytes, "one entry a session");
        assert!(reclaimer.wake_at().is_some());
        drop(second);
        let mut now = Instant::now();
        until("one is given back", || {
            now += PAUSE;
            reclaimer.ask_again(now);
            reclaimer.charged().len() == 1
        });
        let charged = reclaimer.charged();
        assert_eq!((charged[0].0.uid, charged[0].1), (7, bytes));
        drop(first);
        until("the other is given back", || {
            now += PAUSE;
            reclaimer.ask_again(now);
            reclaimer.charged().is_empty()
        });
        reclaimer.close(Instant::now() + PAUSE).unwrap();
    }

    #[test]
    fn closed_with_much_pinned_then_it_waits_for_at_most_one_answer() {
        let reclaimer = Reclaimer::start(&ThreadRegistry::default()).unwrap();
        let (memory, _pipes): (Vec<_>, Vec<_>) = (0..100).map(|_| frames_in_a_pipe()).unzip();
        for retired in memory {
            reclaimer.give_back(CHARGE, retired);
        }
        let charged = reclaimer.charged().len();
        assert!((100 - FREE_OF_CHARGE..=100).contains(&charged), "{charged}");
        reclaimer.close(Instant::now() + 3 * PAUSE).unwrap();
    }
}
