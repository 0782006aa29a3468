//! The thread that unmaps memory (11 ms for 64 MiB: too slow for the control thread), and what the kernel
//! does not give back with it: frames of which a former client has pages in a pipe or registered
//! with io_uring. To learn that takes 0.15 s a file.
//!
//! Each user has a queue of its own, and the one that took least of the thread's time is next: a user with many
//! pinned files waits for them, and no other one does.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::SessionId;
use onair_engine::machine::Charge;
use onair_ipc::frames::FrameMemory;
use onair_ipc::freshness::Freshness;
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::pinned_pages::PinnedPages;
use onair_session::RetiredMemory;
use onair_settings::diagnostics::rate_limit::UserLines;
use onair_workers::{JobsNotDone, ThreadRegistry, Worker};
use rustix::process::nice;
use tokio::sync::oneshot;

/// Increment of the thread's niceness. The kernel frees memory in long steps, and each would hold a thread that ends
/// a session or hands over to the next daemon.
const NICER: i32 = 10;
/// Pause between two questions about pinned pages.
const PAUSE: Duration = Duration::from_secs(1);

/// The owner's side.
#[derive(Debug)]
pub struct Reclaimer {
    worker: Worker<ReclaimJob>,
    /// Replaces pages of frames that a former filler had: the other thread may wait for pinned pages.
    freshener: Worker<Arc<Freshness>>,
    pending: Arc<PendingReclaims>,
    ask_at: Instant,
}

#[derive(Debug)]
enum ReclaimJob {
    /// Gives the next part back.
    GiveBack,
    /// Asks again about a pinned file.
    AskAgain,
}

/// Memory on its way back. Only the thread takes something out.
#[derive(Debug, Default)]
struct PendingReclaims {
    lists: Mutex<Lists>,
    /// Limits the lines about pinned pages.
    lines: UserLines,
}

#[derive(Debug, Default)]
struct Lists {
    /// Memory to give back, by the user that it is charged to: each user has a turn.
    queues: BTreeMap<u32, Queue>,
    /// Parts that are not given back, by session.
    parts: BTreeMap<SessionId, usize>,
    /// Told when a session has none.
    waiting: Vec<(SessionId, oneshot::Sender<()>)>,
    pinned: Vec<Pinned>,
    /// A question was handed in.
    is_asking: bool,
    /// Questions so far.
    questions: u64,
    /// The daemon ends, and with it all that it holds.
    is_closing: bool,
}

/// The parts that are charged to a user.
#[derive(Debug, Default)]
struct Queue {
    parts: VecDeque<RetiredPart>,
    /// Of all, also of the one that the thread has.
    bytes: u64,
    /// Time that they took of the thread, and the time of another queue when this one began.
    spent: Duration,
}

/// The memory that is given back at a time.
#[derive(Debug)]
struct RetiredPart {
    session: SessionId,
    bytes: u64,
    /// Kept only to be dropped: the drop unmaps them.
    _words: Option<Arc<AttachmentMemory>>,
    frames: Option<FrameMemory>,
}

#[derive(Debug)]
struct Pinned {
    charge: Charge,
    bytes: u64,
    /// `None` while the thread asks.
    pages: Option<PinnedPages>,
    /// The last question about it; 0: none.
    asked: u64,
}

impl Lists {
    fn add(&mut self, uid: u32, part: RetiredPart) {
        let least = self.queues.values().map(|it| it.spent).min();
        let queue = self.queues.entry(uid).or_insert_with(|| Queue {
            spent: least.unwrap_or_default(),
            ..Queue::default()
        });
        queue.bytes += part.bytes;
        *self.parts.entry(part.session).or_default() += 1;
        queue.parts.push_back(part);
    }

    /// The next part, with its user.
    fn next(&mut self) -> Option<(u32, RetiredPart)> {
        let queues = self.queues.iter_mut();
        let waiting = queues.filter(|(_, queue)| !queue.parts.is_empty());
        let (uid, queue) = waiting.min_by_key(|(_, queue)| queue.spent)?;
        Some((*uid, queue.parts.pop_front()?))
    }

    /// The file to ask about next: of the user that was asked about longest ago, the one that was.
    fn next_pinned(&mut self) -> Option<&mut Pinned> {
        let mut last = BTreeMap::<u32, u64>::new();
        for it in &self.pinned {
            let last = last.entry(it.charge.uid).or_default();
            *last = it.asked.max(*last);
        }
        let pinned = self.pinned.iter_mut();
        pinned.min_by_key(|it| (last[&it.charge.uid], it.asked))
    }

    /// A part is given back, or known to be pinned.
    fn done(&mut self, charge: Charge, bytes: u64, took: Duration) {
        if let Some(queue) = self.queues.get_mut(&charge.uid) {
            queue.bytes -= bytes;
            queue.spent += took;
            if queue.bytes == 0 && queue.parts.is_empty() {
                self.queues.remove(&charge.uid);
            }
        }
        if let Some(parts) = self.parts.get_mut(&charge.session) {
            *parts -= 1;
            if *parts == 0 {
                self.parts.remove(&charge.session);
                let is_of_it = |it: &mut (SessionId, _)| it.0 == charge.session;
                for (_, waits) in self.waiting.extract_if(.., is_of_it) {
                    // Who waited may be gone.
                    let _ = waits.send(());
                }
            }
        }
    }
}

impl PendingReclaims {
    fn lock(&self) -> MutexGuard<'_, Lists> {
        // No code panics while it holds the lock.
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// As many jobs run as were handed in, whichever: a question does not wait for the parts before it.
    fn run(&self, _: ReclaimJob) {
        if self.lock().is_asking {
            self.ask_again();
        } else {
            self.give_next_back();
        }
    }

    fn give_next_back(&self) {
        let (next, is_closing) = {
            let mut lists = self.lock();
            (lists.next(), lists.is_closing)
        };
        let Some((uid, part)) = next else {
            return;
        };
        let (session, bytes, began) = (part.session, part.bytes, Instant::now());
        let charge = Charge { session, uid };
        let file = part.frames.and_then(FrameMemory::into_file);
        let pinned = file
            .filter(|_| !is_closing)
            .and_then(|it| it.give_back().err());
        let more = pinned.as_ref().map(|_| self.lines.note_caused(uid, began));
        if let Some(Some(more)) = more {
            tracing::warn!(
                %session,
                bytes,
                uid,
                more,
                "a process has pages of the session's frames in a pipe or registered with io_uring: \
                 the limit counts them until it lets go"
            );
        }
        let mut lists = self.lock();
        lists.pinned.extend(pinned.map(|pages| Pinned {
            charge,
            bytes: pages.bytes() as u64,
            pages: Some(pages),
            asked: 0,
        }));
        lists.done(charge, bytes, began.elapsed());
    }

    fn ask_again(&self) {
        let pages = {
            let mut lists = self.lock();
            lists.questions += 1;
            let question = lists.questions;
            lists.next_pinned().and_then(|it| {
                it.asked = question;
                it.pages.take()
            })
        };
        let answer = pages.map(PinnedPages::give_back);
        let mut lists = self.lock();
        lists.is_asking = false;
        let asked = lists.pinned.iter().position(|it| it.pages.is_none());
        match (answer, asked) {
            (Some(Ok(())), Some(at)) => drop(lists.pinned.remove(at)),
            (Some(Err(pages)), Some(at)) => lists.pinned[at].pages = Some(pages),
            _ => {}
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
        let mut nicer = Some(NICER);
        let work = move |job| {
            // Of this thread alone (setpriority(2)).
            if let Some(nicer) = nicer.take()
                && let Err(error) = nice(nicer)
            {
                tracing::debug!(%error, "the reclaimer has the priority of the others");
            }
            own.run(job);
            Ok(())
        };
        Ok(Self {
            worker: Worker::start(threads, "reclaimer", work)?,
            freshener: Worker::start(threads, "freshener", replace_pages)?,
            pending,
            ask_at: Instant::now(),
        })
    }

    /// Unmaps memory that no process has any more. With another clone of its frames the kernel cannot be asked
    /// for pinned pages: the owner has dropped its own.
    pub fn give_back(&self, charge: Charge, retired: RetiredMemory) {
        debug_assert!(
            retired.frames().all(FrameMemory::is_last),
            "the daemon still has frames of session {}",
            charge.session
        );
        let session = charge.session;
        let clients = retired.clients.into_iter().map(|it| {
            let part = RetiredPart {
                session,
                bytes: it.bytes(),
                _words: Some(it.words),
                frames: it.frames,
            };
            (it.uid, part)
        });
        let own = retired.own.into_iter().map(|frames| {
            let part = RetiredPart {
                session,
                bytes: frames.len() as u64,
                _words: None,
                frames: Some(frames),
            };
            (charge.uid, part)
        });
        let parts: Vec<_> = clients.chain(own).collect();
        let count = parts.len();
        let mut lists = self.pending.lock();
        parts
            .into_iter()
            .for_each(|(uid, part)| lists.add(uid, part));
        drop(lists);
        (0..count).for_each(|_| self.hand_in(ReclaimJob::GiveBack));
    }

    /// Has the idle frames replaced, by another thread.
    pub fn replace_pages(&self, of: Arc<Freshness>) {
        // Without the thread it is done here: slow but safe.
        if let Err(rejected) = self.freshener.hand_in(of) {
            let _ = replace_pages(rejected);
        }
    }

    /// Whether memory of `session` is on its way back.
    pub fn has(&self, session: SessionId) -> bool {
        self.pending.lock().parts.contains_key(&session)
    }

    /// Ready when no memory of `session` is on its way back.
    pub fn returned(&self, session: SessionId) -> oneshot::Receiver<()> {
        let (waits, returned) = oneshot::channel();
        let mut lists = self.pending.lock();
        if lists.parts.contains_key(&session) {
            lists.waiting.push((session, waits));
        } else {
            // Ready at once.
            let _ = waits.send(());
        }
        returned
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

    /// Bytes on their way back, by user.
    pub fn returning(&self) -> Vec<(u32, u64)> {
        let lists = self.pending.lock();
        let queues = lists.queues.iter();
        queues.map(|(uid, queue)| (*uid, queue.bytes)).collect()
    }

    /// Bytes of the files with pinned pages, by session and user.
    pub fn pinned(&self) -> Vec<(Charge, u64)> {
        let mut all: Vec<(Charge, u64)> = Vec::new();
        for it in &self.pending.lock().pinned {
            match all.iter_mut().find(|(charge, _)| *charge == it.charge) {
                Some((_, bytes)) => *bytes += it.bytes,
                None => all.push((it.charge, it.bytes)),
            }
        }
        all
    }

    /// Returns when everything that was handed in is unmapped, at `deadline` at the latest. Pinned pages
    /// end with the daemon's process.
    ///
    /// # Errors
    /// Memory that is still mapped.
    pub fn close(self, deadline: Instant) -> Result<(), JobsNotDone> {
        self.pending.lock().is_closing = true;
        self.freshener.close(deadline)?;
        self.worker.close(deadline)
    }

    fn hand_in(&self, job: ReclaimJob) {
        // Without the thread it is done here: slow but safe.
        if let Err(rejected) = self.worker.hand_in(job) {
            self.pending.run(rejected);
        }
    }
}

/// Replaces the pages of a session's idle frames. Where it cannot, the poller has it asked again.
fn replace_pages(of: Arc<Freshness>) -> io::Result<()> {
    // Without its session it is of no use.
    if Arc::strong_count(&of) > 1
        && let Err(error) = of.replace()
    {
        tracing::debug!(%error, "cannot replace frames of an earlier filler: the next one waits");
    }
    Ok(())
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

    fn of_session(frames: FrameMemory) -> RetiredMemory {
        RetiredMemory {
            clients: Vec::new(),
            own: vec![frames],
        }
    }

    /// Bytes that are charged, by user.
    fn charged(reclaimer: &Reclaimer) -> BTreeMap<u32, u64> {
        let mut all = BTreeMap::new();
        let pinned = reclaimer.pinned().into_iter();
        let pinned = pinned.map(|(charge, bytes)| (charge.uid, bytes));
        for (uid, bytes) in pinned.chain(reclaimer.returning()) {
            *all.entry(uid).or_default() += bytes;
        }
        all
    }

    /// Frames, and a pipe with one page of them.
    fn frames_in_a_pipe() -> (RetiredMemory, OwnedFd) {
        let frames = FrameMemory::create(Geometry::new(2, 8192).unwrap(), true).unwrap();
        // A hole would be read, not lent.
        frames.write(0, 0, &[1]);
        let (reader, writer) = pipe().unwrap();
        let client = frames.for_client().unwrap();
        let none = SpliceFlags::empty();
        splice(client, Some(&mut 0), writer, None, 4096, none).unwrap();
        (of_session(frames), reader)
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
        assert_eq!(charged(&reclaimer), [(7, 2 * bytes)].into());
        until("both are found", || !reclaimer.has(CHARGE.session));
        assert_eq!(
            reclaimer.pinned(),
            [(CHARGE, 2 * bytes)],
            "one entry a session"
        );
        assert_eq!(charged(&reclaimer), [(7, 2 * bytes)].into());
        assert!(reclaimer.wake_at().is_some());
        drop(second);
        let mut now = Instant::now();
        until("one is given back", || {
            now += PAUSE;
            reclaimer.ask_again(now);
            charged(&reclaimer) == [(7, bytes)].into()
        });
        drop(first);
        until("the other is given back", || {
            now += PAUSE;
            reclaimer.ask_again(now);
            charged(&reclaimer).is_empty()
        });
        reclaimer.close(Instant::now() + PAUSE).unwrap();
    }

    #[test]
    fn one_user_pins_many_files_then_others_get_theirs_at_once() {
        let reclaimer = Reclaimer::start(&ThreadRegistry::default()).unwrap();
        let (memory, _pipes): (Vec<_>, Vec<_>) = (0..200).map(|_| frames_in_a_pipe()).unzip();
        for retired in memory {
            reclaimer.give_back(CHARGE, retired);
        }
        let other = |session| Charge {
            session: SessionId(session),
            uid: 8,
        };
        for session in 2..32 {
            let frames = FrameMemory::create(Geometry::new(2, 8192).unwrap(), true).unwrap();
            reclaimer.give_back(other(session), of_session(frames));
        }
        until("the others' is back", || {
            !charged(&reclaimer).contains_key(&8)
        });
        // Each of the 200 takes 0.15 s.
        assert!(reclaimer.pinned().len() <= 1 && reclaimer.has(CHARGE.session));
        let pinned = reclaimer.pending.lock().pinned.len();
        assert!(pinned < 30, "{pinned} were asked for before");
        reclaimer.close(Instant::now() + 3 * PAUSE).unwrap();
    }

    #[test]
    fn one_user_pins_many_files_then_anothers_is_asked_about_soon() {
        let mut reclaimer = Reclaimer::start(&ThreadRegistry::default()).unwrap();
        let (memory, _pipes): (Vec<_>, Vec<_>) = (0..9).map(|_| frames_in_a_pipe()).unzip();
        for retired in memory {
            reclaimer.give_back(CHARGE, retired);
        }
        let (retired, pipe) = frames_in_a_pipe();
        let other = Charge {
            session: SessionId(2),
            uid: 8,
        };
        reclaimer.give_back(other, retired);
        until("all are found", || {
            reclaimer.pinned().len() == 2 && !reclaimer.has(CHARGE.session)
        });
        drop(pipe);
        let mut now = Instant::now();
        for _ in 0..2 {
            now += PAUSE;
            reclaimer.ask_again(now);
            until("an answer", || !reclaimer.pending.lock().is_asking);
        }
        // Whether the kernel has let go of the page by then is the kernel's.
        let lists = reclaimer.pending.lock();
        let mut others = lists.pinned.iter().filter(|it| it.charge.uid == 8);
        assert!(others.all(|it| it.asked > 0), "{lists:?}");
        drop(lists);
        reclaimer.close(Instant::now() + 3 * PAUSE).unwrap();
    }

    #[test]
    fn memory_on_its_way_back_is_charged_whatever_its_size() {
        let reclaimer = Reclaimer::start(&ThreadRegistry::default()).unwrap();
        // The thread is busy for 0.15 s.
        let (pinned, _pipe) = frames_in_a_pipe();
        reclaimer.give_back(CHARGE, pinned);
        let frames = FrameMemory::create(Geometry::new(4, 16 << 20).unwrap(), true).unwrap();
        let (bytes, charge) = (frames.len() as u64, Charge { uid: 8, ..CHARGE });
        let mut returned = reclaimer.returned(SessionId(9));
        assert_eq!(returned.try_recv(), Ok(()), "it has nothing");
        reclaimer.give_back(charge, of_session(frames));
        let seen = charged(&reclaimer).get(&8).copied();
        let returned = reclaimer.returned(CHARGE.session);
        assert_eq!(seen, Some(bytes));
        returned.blocking_recv().unwrap();
        assert_eq!(charged(&reclaimer).get(&8), None);
        reclaimer.close(Instant::now() + 3 * PAUSE).unwrap();
    }

    #[test]
    fn closed_with_much_pinned_then_it_waits_for_at_most_one_answer() {
        let reclaimer = Reclaimer::start(&ThreadRegistry::default()).unwrap();
        let (memory, _pipes): (Vec<_>, Vec<_>) = (0..100).map(|_| frames_in_a_pipe()).unzip();
        let bytes: u64 = memory.iter().map(RetiredMemory::bytes).sum();
        for retired in memory {
            reclaimer.give_back(CHARGE, retired);
        }
        assert_eq!(charged(&reclaimer), [(7, bytes)].into());
        reclaimer.close(Instant::now() + 3 * PAUSE).unwrap();
    }
}
