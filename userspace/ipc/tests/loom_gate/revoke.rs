//! Evict: the daemon writes a frame again only if no thread reads it, and a caller that finds the
//! gate closed finds the reason, too. SYNC: frame-release, gate-count.

use loom::sync::atomic::{AtomicU32, Ordering};
use onair_ipc::frame_word::{FrameState, FrameWord};
use onair_ipc::gate::{Gate, is_open};

use crate::harness::{Protected, UNORDERED, beside, holds, loaned_frame, mutants};

const NO_REASON: &str = "closed, and the state is open";

/// A caller takes, reads and puts a ready frame while the daemon evicts it and reuses the frame,
/// unless it is held.
#[test]
fn revoke_against_take_and_put_then_reused_only_if_unread() {
    holds(|| {
        let caller = |(word, contents): &(FrameWord, Protected)| {
            if word.take(1, 0) {
                contents.read();
                if let Err(found) = word.release(1, 0) {
                    assert_eq!(found.state(), Some(FrameState::Revoked), "a late put");
                }
            }
        };
        let shared = beside(loaned_frame(), caller, |(word, contents)| {
            let found = word.revoke(1);
            if found.state() != Some(FrameState::Held) {
                contents.write();
            }
        });
        let (word, _) = &*shared;
        assert_eq!(word.load().state(), Some(FrameState::Revoked));
    });
}

/// The daemon closes an attachment for good; a caller finds its gate closed and reads the reason.
#[test]
fn revoke_state_before_the_gate_then_the_reason_is_seen() {
    holds(|| {
        let gate = Gate::closed();
        gate.start();
        let caller = |(gate, state): &(Gate, AtomicU32)| {
            if !is_open(gate.load()) {
                assert_eq!(state.load(Ordering::Acquire), 2, "{NO_REASON}");
            }
        };
        beside((gate, AtomicU32::new(1)), caller, |(gate, state)| {
            state.store(2, Ordering::SeqCst);
            gate.stop();
        });
    });
}

/// The same on words whose orderings a test can weaken.
fn revoke(exchange: bool, order: Ordering) {
    let shared = (AtomicU32::new(1), Protected::new());
    let caller = |(word, contents): &(AtomicU32, Protected)| {
        let taken = word.compare_exchange(1, 2, Ordering::AcqRel, Ordering::Relaxed);
        if taken.is_ok() {
            contents.read();
            let _ = word.compare_exchange(2, 3, Ordering::SeqCst, Ordering::Relaxed);
        }
    };
    beside(shared, caller, |(word, contents)| {
        let found = if exchange {
            word.swap(4, order)
        } else {
            let found = word.load(Ordering::Acquire);
            word.store(4, Ordering::Release);
            found
        };
        if found != 2 {
            contents.write();
        }
    });
}

/// The same: the state, the gate, and the read of both.
fn close(state_first: bool, look: Ordering) {
    let shared = (AtomicU32::new(3), AtomicU32::new(1));
    let caller = move |(gate, state): &(AtomicU32, AtomicU32)| {
        if gate.load(look) & 1 == 0 {
            assert_eq!(state.load(Ordering::Acquire), 2, "{NO_REASON}");
        }
    };
    beside(shared, caller, |(gate, state)| {
        if state_first {
            state.store(2, Ordering::SeqCst);
        }
        gate.fetch_and(!1, Ordering::SeqCst);
        if !state_first {
            state.store(2, Ordering::SeqCst);
        }
    });
}

#[test]
fn revoke_copies_then_hold() {
    holds(|| revoke(true, Ordering::AcqRel));
    holds(|| close(true, Ordering::Acquire));
}

mutants! {
    revoke_mutant_relaxed_then_caught: revoke(true, Ordering::Relaxed) => UNORDERED;
    revoke_mutant_load_then_store_then_caught: revoke(false, Ordering::AcqRel) => UNORDERED;
    revoke_mutant_state_after_the_gate_then_caught: close(false, Ordering::Acquire) => NO_REASON;
    revoke_mutant_gate_read_relaxed_then_caught: close(true, Ordering::Relaxed) => NO_REASON;
}
