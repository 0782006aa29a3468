//! Progress: a caller reads only bytes that stand, and sleeps on none that do.
//!
//! The poller writes bytes, stores how far they stand, and then looks whether a caller waits for so many. The caller
//! writes what it waits for, and then looks how far they stand. SYNC: progress, wanted, event-count.

use onair_ipc::event_count::EventCount;
use onair_ipc::progress::{ProgressTag, ProgressWord, WantedWord};

use crate::harness::{ASLEEP, Futex, Protected, UNORDERED, beside, holds, mutants};

/// Bytes that the caller waits for.
const WANTED: u32 = 10;

struct Frame {
    stands: ProgressWord,
    wanted: WantedWord,
    count: EventCount,
    futex: Futex,
    bytes: Protected,
    description: Protected,
}

impl Frame {
    fn open() -> Self {
        Self {
            stands: ProgressWord::new(),
            wanted: WantedWord::new(),
            count: EventCount::silent(),
            futex: Futex::new(),
            bytes: Protected::new(),
            description: Protected::new(),
        }
    }

    fn wake(&self) {
        if self.count.notify() {
            self.futex.wake();
        }
    }
}

const fn tag(ended: bool, bytes: u32) -> ProgressTag {
    ProgressTag {
        serial: 1,
        ended,
        bytes,
    }
}

/// What a wrong caller or poller does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    /// The caller looks before it asks, and not again.
    AsksLast,
    /// The poller tells of bytes before it writes them.
    TellsFirst,
    /// The poller looks at what is wanted before it tells.
    LooksFirst,
}

/// A caller waits for some bytes; they come, and no more.
fn wait_and_advance(fault: Fault) {
    let frame = Frame::open();
    frame.stands.advance(tag(false, 0));
    let caller = move |frame: &Frame| {
        frame.count.join();
        loop {
            let heard = frame.count.listen();
            let before = frame.stands.load();
            if before.has(1, WANTED) {
                break;
            }
            let _ = frame.wanted.ask(1, WANTED, before.bytes);
            if fault != Fault::AsksLast && frame.stands.load().has(1, WANTED) {
                break;
            }
            frame.futex.wait(frame.count.word(), heard);
        }
        frame.count.part();
        frame.bytes.read();
    };
    beside(frame, caller, move |frame| {
        let is_wanted = || frame.wanted.of(1).is_some_and(|it| it <= WANTED);
        let early = fault == Fault::LooksFirst && is_wanted();
        if fault != Fault::TellsFirst {
            frame.bytes.write();
        }
        frame.stands.advance(tag(false, WANTED));
        if fault == Fault::TellsFirst {
            frame.bytes.write();
        }
        if early || fault != Fault::LooksFirst && is_wanted() {
            frame.wake();
        }
    });
}

/// A caller waits for more than comes: it learns of the end, and reads what is said of it.
fn wait_and_end(says_first: bool) {
    let frame = Frame::open();
    frame.stands.advance(tag(false, 0));
    let caller = |frame: &Frame| {
        frame.count.join();
        loop {
            let heard = frame.count.listen();
            if frame.stands.load().of(1).is_none() {
                break;
            }
            frame.futex.wait(frame.count.word(), heard);
        }
        frame.count.part();
        frame.description.read();
    };
    beside(frame, caller, move |frame| {
        if says_first {
            frame.description.write();
        }
        frame.stands.advance(tag(true, 0));
        if !says_first {
            frame.description.write();
        }
        frame.wake();
    });
}

#[test]
fn progress_that_a_caller_waits_for_then_it_wakes_and_reads() {
    holds(|| wait_and_advance(Fault::None));
}

#[test]
fn progress_ends_short_then_its_caller_wakes_and_is_told() {
    holds(|| wait_and_end(true));
}

mutants! {
    progress_mutant_stored_relaxed_then_caught by "progress: stored relaxed":
        wait_and_advance(Fault::None) => UNORDERED;
    progress_mutant_read_relaxed_then_caught by "progress: read relaxed":
        wait_and_advance(Fault::None) => UNORDERED;
    progress_mutant_no_fence_of_the_poller_then_caught by "progress: no fence after it is stored":
        wait_and_advance(Fault::None) => ASLEEP;
    progress_mutant_no_fence_of_the_caller_then_caught by "wanted: no fence after it is written":
        wait_and_advance(Fault::None) => ASLEEP;
    progress_mutant_asked_after_the_look_then_caught: wait_and_advance(Fault::AsksLast) => ASLEEP;
    progress_mutant_told_before_the_bytes_then_caught:
        wait_and_advance(Fault::TellsFirst) => UNORDERED;
    progress_mutant_looked_before_it_is_told_then_caught:
        wait_and_advance(Fault::LooksFirst) => ASLEEP;
    progress_mutant_described_after_the_end_then_caught: wait_and_end(false) => UNORDERED;
}
