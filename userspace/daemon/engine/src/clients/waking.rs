//! Wakes sleepers after the first one, a few at a time, so that other work is served in between.
//!
//! A stop wakes one sleeper, which wakes all others ([`AttachmentMemory::stop`]). So the work of
//! the control thread is bounded, whatever a client does with its threads. If only few threads
//! sleep, they need not wait for that one: the code that closes a gate or moves an event count
//! enters the attachment here, and the control thread also wakes as many threads as a client has
//! slots of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use onair_ipc::layout::OWN_SLOTS;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;

/// Sleepers woken in one turn, about 2 µs each.
const CHUNK: u32 = 64;
/// Maximum number of sleepers of one attachment that are woken from here. The client says how many
/// there are, and one thread may sleep on a word 128 times: the limit bounds the kernel's work.
const MOST: u32 = OWN_SLOTS as u32;

/// Attachments whose event counts were moved, each with the number of threads that may still sleep.
#[derive(Debug, Default)]
pub struct Waking {
    rest: VecDeque<(Arc<AttachmentMemory>, u32)>,
}

impl Waking {
    /// Enters an attachment whose event counts were moved.
    ///
    /// Wakes as many threads as slept at that moment, at most `MOST`. Without that limit, a
    /// thread that wakes and sleeps again, which the kernel then counts as woken, would keep the
    /// attachment here forever.
    pub fn enter(&mut self, memory: &Arc<AttachmentMemory>) {
        let sleepers = mutant!(
            "stop: wakes as many as the client says",
            memory.sleepers(),
            memory.sleepers().min(MOST)
        );
        if sleepers == 0 {
            return;
        }
        let entered = self
            .rest
            .iter_mut()
            .find(|(other, _)| other.attachment() == memory.attachment());
        match entered {
            Some((_, left)) => *left = sleepers.max(*left),
            None => self.rest.push_back((Arc::clone(memory), sleepers)),
        }
    }

    /// Wakes the next few. An attachment with more sleepers goes to the end of the queue.
    pub fn turn(&mut self) {
        let mut budget = CHUNK;
        while budget > 0
            && let Some((memory, left)) = self.rest.pop_front()
        {
            let some = budget.min(left);
            let more = memory.wake_some(u16::try_from(some).unwrap_or(u16::MAX));
            if more && left > some {
                self.rest.push_back((memory, left - some));
            }
            budget -= some;
        }
    }

    /// Whether no sleepers are left to wake from here.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Wakes the rest at once: no other work is served any more.
    pub fn finish(&mut self) {
        while !self.is_done() {
            self.turn();
        }
    }
}

#[cfg(test)]
#[path = "../../../../gate/ipc/tests/rig/pair.rs"]
mod pair;

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;
    use std::thread::JoinHandle;

    use onair_ipc::caller::{Attachment, Deadline, Lease, Refusal};
    use onair_ipc::frames::FrameMemory;
    use onair_ipc::layout::{self, Geometry};
    use onair_ipc::mapping::{Access, Mapping};
    use onair_ipc::{membarrier, sys};

    use super::pair::Pair;
    use super::*;

    /// A running attachment, and its client, which is this process.
    fn attachment(number: u64) -> Pair {
        let geometry = Geometry::new(2, 4096).unwrap();
        let frames = FrameMemory::create(geometry, true).unwrap();
        Pair::new(number, false, &frames, membarrier::register())
    }

    fn sleep(client: &Arc<Attachment>, count: u32) -> Vec<JoinHandle<Result<Lease, Refusal>>> {
        let callers = (0..count).map(|_| {
            let client = Arc::clone(client);
            std::thread::spawn(move || client.get(Deadline::Never))
        });
        callers.collect()
    }

    fn asleep(memory: &AttachmentMemory, count: u32) {
        while memory.sleepers() != count {
            std::thread::yield_now();
        }
    }

    #[test]
    fn waking_more_than_a_chunk_then_bounded_turns_wake_all() {
        let (one, other) = (attachment(1), attachment(2));
        let mut callers = sleep(&one.client, 400);
        callers.extend(sleep(&other.client, 10));
        asleep(&one.memory, 400);
        asleep(&other.memory, 10);
        let mut waking = Waking::default();
        for memory in [&one.memory, &other.memory] {
            memory.stop();
            waking.enter(memory);
            waking.enter(memory);
        }
        let mut turns = 0;
        while !waking.is_done() {
            waking.turn();
            turns += 1;
        }
        // Threads that were woken first wake the others meanwhile.
        assert!(
            turns <= 3,
            "64 of the one; 10 of the other and 54; 10: {turns}"
        );
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Err(Refusal::Again));
        }
    }

    #[test]
    fn waking_sleepers_that_sleep_again_then_it_ends() {
        let pair = attachment(1);
        let memory = &pair.memory;
        let callers = sleep(&pair.client, 100);
        asleep(memory, 100);
        let mut waking = Waking::default();
        for _ in 0..20 {
            // No gate is closed: each thread checks, and sleeps again.
            memory.notify_all();
            waking.enter(memory);
            waking.finish();
        }
        memory.stop();
        waking.enter(memory);
        waking.finish();
        for caller in callers {
            assert_eq!(caller.join().unwrap(), Err(Refusal::Again));
        }
    }

    #[test]
    fn waking_sleepers_that_count_often_then_bounded() {
        use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
        const TIMES: usize = 128;
        let pair = attachment(1);
        let memory = &pair.memory;
        let (_, seg) = memory.for_client().unwrap();
        let words = Mapping::new(seg.as_fd(), memory.geometry().seg_len(), Access::ReadWrite);
        let words = words.unwrap();
        let over = AtomicBool::new(false);
        let woken = AtomicU64::new(0);
        let word: &AtomicU32 = words.at(layout::SEG_COUNT_FRAME);
        let waiters: &AtomicU32 = words.at(layout::SEG_COUNT_FRAME + 4);
        waiters.store(u32::MAX, Ordering::SeqCst);
        let mut waking = Waking::default();
        memory.stop();
        waking.enter(memory);
        assert_eq!(waking.rest[0].1, MOST, "whatever the client says");
        memory.start();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        let now = word.load(Ordering::SeqCst);
                        let until = sys::monotonic_ns() + 10_000_000;
                        let waited = sys::futex_waitv([(word, now); TIMES], until);
                        woken.fetch_add(u64::from(waited == sys::Waited::Moved), Ordering::SeqCst);
                    }
                });
            }
            let mut waking = Waking::default();
            let mut turns = 0;
            for _ in 0..20 {
                memory.stop();
                waking.enter(memory);
                while !waking.is_done() {
                    waking.turn();
                    turns += 1;
                }
                memory.start();
            }
            over.store(true, Ordering::SeqCst);
            assert!(turns <= 20 * MOST.div_ceil(CHUNK), "{turns}");
        });
        let most = 20 * (1 + u64::from(MOST));
        assert!(woken.load(Ordering::SeqCst) <= most, "{woken:?}");
    }
}
