//! EventCount: no caller sleeps beside a ready frame, or through a stop. The caller that takes a
//! frame sees everything that was published before the frame word.
//!
//! The caller joins the event count, listens, checks again, and sleeps on the value that it read.
//! The daemon changes the condition, notifies, and wakes if a caller has joined.
//! SYNC: event-count, frame-publish, gate-count.

use loom::sync::atomic::{AtomicU32, Ordering, fence};
use onair_ipc::event_count::EventCount;
use onair_ipc::frame_word::FrameWord;
use onair_ipc::gate::Gate;

use crate::harness::{ASLEEP, Futex, Protected, UNORDERED, beside, holds, mutants};

/// The operations of a sleeper and its waker on the words.
trait Ringing: Send + Sync + 'static {
    /// Daemon: makes the caller's condition true.
    fn grant(&self);
    /// Caller: checks the condition. At the first true result the caller has it.
    fn look(&self) -> bool;
    /// Daemon: event count += 1. Returns whether a caller may be asleep.
    fn notify(&self) -> bool;
    /// Caller: waiters += 1.
    fn join(&self);
    /// Caller: waiters -= 1.
    fn part(&self);
    /// Caller: reads the event count.
    fn listen(&self) -> u32;
    /// The word to sleep on.
    fn word(&self) -> &AtomicU32;
    /// Whether the caller checks again before it sleeps.
    fn looks_again(&self) -> bool {
        true
    }
}

/// What a caller waits for.
trait Condition: Send + Sync + 'static {
    /// Daemon: makes it true.
    fn grant(&self);
    /// Caller: checks it.
    fn look(&self) -> bool;
}

impl Condition for FrameWord {
    fn grant(&self) {
        self.publish(1);
    }

    fn look(&self) -> bool {
        self.take(1, 0)
    }
}

/// A gate, and its word before a whole pulse: the caller must notice it although the gate is open
/// again.
impl Condition for (Gate, u32) {
    fn grant(&self) {
        self.0.stop();
        self.0.start();
    }

    fn look(&self) -> bool {
        self.0.load() != self.1
    }
}

/// Waiting on the crate's words.
struct Real<C> {
    condition: C,
    count: EventCount,
}

impl<C> Real<C> {
    fn new(condition: C) -> Self {
        Self {
            condition,
            count: EventCount::silent(),
        }
    }
}

impl<C: Condition> Ringing for Real<C> {
    fn grant(&self) {
        self.condition.grant();
    }

    fn look(&self) -> bool {
        self.condition.look()
    }

    fn notify(&self) -> bool {
        self.count.notify()
    }

    fn join(&self) {
        self.count.join();
    }

    fn part(&self) {
        self.count.part();
    }

    fn listen(&self) -> u32 {
        self.count.listen()
    }

    fn word(&self) -> &AtomicU32 {
        self.count.word()
    }
}

/// A frame word and an event count with orderings that a test can weaken.
struct Copied {
    frame: AtomicU32,
    event_count: AtomicU32,
    waiters: AtomicU32,
    publish: Ordering,
    take: Ordering,
    notify_fence: bool,
    join_fence: bool,
    looks_again: bool,
}

impl Copied {
    fn right() -> Self {
        Self {
            frame: AtomicU32::new(0),
            event_count: AtomicU32::new(0),
            waiters: AtomicU32::new(0),
            publish: Ordering::Release,
            take: Ordering::AcqRel,
            notify_fence: true,
            join_fence: true,
            looks_again: true,
        }
    }
}

impl Ringing for Copied {
    fn grant(&self) {
        self.frame.store(1, self.publish);
    }

    fn look(&self) -> bool {
        self.frame.load(Ordering::Relaxed) == 1
            && self
                .frame
                .compare_exchange(1, 2, self.take, Ordering::Relaxed)
                .is_ok()
    }

    fn notify(&self) -> bool {
        self.event_count.fetch_add(1, Ordering::SeqCst);
        if self.notify_fence {
            fence(Ordering::SeqCst);
        }
        self.waiters.load(Ordering::SeqCst) != 0
    }

    fn join(&self) {
        self.waiters.fetch_add(1, Ordering::SeqCst);
        if self.join_fence {
            fence(Ordering::SeqCst);
        }
    }

    fn part(&self) {
        self.waiters.fetch_sub(1, Ordering::SeqCst);
    }

    fn listen(&self) -> u32 {
        self.event_count.load(Ordering::SeqCst)
    }

    fn word(&self) -> &AtomicU32 {
        &self.event_count
    }

    fn looks_again(&self) -> bool {
        self.looks_again
    }
}

/// A caller waits; the daemon writes the frame, grants, notifies, wakes.
fn wait_and_grant<R: Ringing>(words: R) {
    let shared = (words, Futex::new(), Protected::new());
    let caller = |(words, futex, contents): &(R, Futex, Protected)| {
        if !words.look() {
            words.join();
            loop {
                let heard = words.listen();
                if words.looks_again() && words.look() {
                    break;
                }
                futex.wait(words.word(), heard);
                if !words.looks_again() && words.look() {
                    break;
                }
            }
            words.part();
        }
        contents.read();
    };
    beside(shared, caller, |(words, futex, contents)| {
        contents.write();
        words.grant();
        if words.notify() {
            futex.wake();
        }
    });
}

#[test]
fn sleep_frame_published_then_taken_whole() {
    holds(|| wait_and_grant(Real::new(FrameWord::free())));
}

#[test]
fn sleep_stop_pulse_then_noticed() {
    holds(|| {
        let gate = Gate::closed();
        gate.start();
        let before = gate.load();
        wait_and_grant(Real::new((gate, before)));
    });
}

#[test]
fn sleep_copy_then_taken_whole() {
    holds(|| wait_and_grant(Copied::right()));
}

mutants! {
    sleep_mutant_no_producer_fence_then_caught:
        wait_and_grant(Copied { notify_fence: false, ..Copied::right() }) => ASLEEP;
    sleep_mutant_no_consumer_fence_then_caught:
        wait_and_grant(Copied { join_fence: false, ..Copied::right() }) => ASLEEP;
    sleep_mutant_no_recheck_then_caught:
        wait_and_grant(Copied { looks_again: false, ..Copied::right() }) => ASLEEP;
    sleep_mutant_publish_relaxed_then_caught:
        wait_and_grant(Copied { publish: Ordering::Relaxed, ..Copied::right() }) => UNORDERED;
    sleep_mutant_take_relaxed_then_caught:
        wait_and_grant(Copied { take: Ordering::Relaxed, ..Copied::right() }) => UNORDERED;
}
