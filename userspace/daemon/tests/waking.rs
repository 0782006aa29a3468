//! Sleepers of an attachment are woken a few at a time, and a bounded number in all.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "../../ipc/tests/rig/pair.rs"]
mod pair;

use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread::JoinHandle;

use onair_ipc::caller::{Attachment, Deadline, Lease, Refusal};
use onair_ipc::frames::FrameMemory;
use onair_ipc::layout::{self, Geometry, OWN_SLOTS};
use onair_ipc::mapping::{Access, Mapping};
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::sys;
use onaird::waking::Waking;

use pair::Pair;

/// A running attachment, and its client, which is this process.
fn attachment(number: u64) -> Pair {
    let frames = FrameMemory::create(Geometry::new(2, 4096).unwrap(), true).unwrap();
    Pair::new(number, false, &frames, sys::membarrier_register())
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
fn waking_more_than_a_chunk_in_two_attachments_then_bounded_turns_and_all() {
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
    const TIMES: usize = 128;
    let pair = attachment(1);
    let memory = &pair.memory;
    let (_, seg) = memory.for_client().unwrap();
    let words = Mapping::new(seg.as_fd(), memory.geometry().seg_len(), Access::ReadWrite);
    let words = words.unwrap();
    let over = AtomicBool::new(false);
    let woken = AtomicU64::new(0);
    let word: &AtomicU32 = words.at(layout::SEG_BELL_FRAME);
    let waiters: &AtomicU32 = words.at(layout::SEG_BELL_FRAME + 4);
    waiters.store(u32::MAX, Ordering::SeqCst);
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
        assert!(turns <= 20 * 2, "64 a turn, at most 128: {turns}");
    });
    let most = 20 * (1 + u64::from(OWN_SLOTS));
    assert!(woken.load(Ordering::SeqCst) <= most, "{woken:?}");
}
