//! EventCount: no caller sleeps beside a ready frame, or through a stop. The caller that takes a
//! frame sees everything that was published before the frame word.
//!
//! The caller joins the event count, listens, checks again, and sleeps on the value that it read.
//! The daemon changes the condition, notifies, and wakes if a caller has joined.
//! SYNC: event-count, frame-publish, gate-count.

use onair_ipc::event_count::EventCount;
use onair_ipc::frame_word::FrameWord;
use onair_ipc::gate::Gate;

use crate::harness::{ASLEEP, Futex, Protected, UNORDERED, beside, holds, mutants};

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

/// A caller waits; the daemon writes the frame, grants, notifies, wakes.
fn wait_and_grant<C: Condition>(condition: C) {
    wait(condition, true);
}

/// As [`wait_and_grant`]; the caller checks again before it sleeps, or does not.
fn wait<C: Condition>(condition: C, looks_again: bool) {
    let shared = (
        condition,
        EventCount::silent(),
        Futex::new(),
        Protected::new(),
    );
    let caller = move |(condition, count, futex, contents): &(C, EventCount, Futex, Protected)| {
        if !condition.look() {
            count.join();
            loop {
                let heard = count.listen();
                if looks_again && condition.look() {
                    break;
                }
                futex.wait(count.word(), heard);
                if !looks_again && condition.look() {
                    break;
                }
            }
            count.part();
        }
        contents.read();
    };
    beside(shared, caller, |(condition, count, futex, contents)| {
        contents.write();
        condition.grant();
        if count.notify() {
            futex.wake();
        }
    });
}

#[test]
fn sleep_frame_published_then_taken_whole() {
    holds(|| wait_and_grant(FrameWord::free()));
}

#[test]
fn sleep_stop_pulse_then_noticed() {
    holds(|| {
        let gate = Gate::closed();
        gate.start();
        let before = gate.load();
        wait_and_grant((gate, before));
    });
}

mutants! {
    sleep_mutant_no_producer_fence_then_caught by "event count: no fence after it moves":
        wait_and_grant(FrameWord::free()) => ASLEEP;
    sleep_mutant_no_consumer_fence_then_caught by "event count: no fence after a caller joins":
        wait_and_grant(FrameWord::free()) => ASLEEP;
    sleep_mutant_no_recheck_then_caught: wait(FrameWord::free(), false) => ASLEEP;
    sleep_mutant_publish_relaxed_then_caught by "frame: published relaxed":
        wait_and_grant(FrameWord::free()) => UNORDERED;
    sleep_mutant_take_relaxed_then_caught by "frame: taken relaxed":
        wait_and_grant(FrameWord::free()) => UNORDERED;
}
