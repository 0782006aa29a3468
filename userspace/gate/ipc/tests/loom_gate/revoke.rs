//! Evict: the daemon writes a frame again only if no thread reads it, and a caller that finds the
//! gate closed finds the reason, too. SYNC: frame-release, gate-count.

use loom::sync::atomic::{AtomicU32, Ordering};
use onair_ipc::frame_word::{FrameState, FrameWord};
use onair_ipc::gate::{Gate, is_open};

use crate::harness::{Protected, UNORDERED, beside, holds, loaned_frame, mutants};

const NO_REASON: &str = "closed, and the state is open";

/// A caller takes, reads and puts a ready frame while the daemon evicts it and reuses the frame,
/// unless it is held.
fn revoke() {
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
}

#[test]
fn revoke_against_take_and_put_then_reused_only_if_unread() {
    holds(revoke);
}

/// The daemon closes an attachment for good; a caller finds its gate closed and reads the reason.
fn close(state_first: bool) {
    let gate = Gate::closed();
    gate.start();
    let caller = |(gate, state): &(Gate, AtomicU32)| {
        if !is_open(gate.load()) {
            assert_eq!(state.load(Ordering::Acquire), 2, "{NO_REASON}");
        }
    };
    beside((gate, AtomicU32::new(1)), caller, |(gate, state)| {
        if state_first {
            state.store(2, Ordering::SeqCst);
        }
        gate.stop();
        if !state_first {
            state.store(2, Ordering::SeqCst);
        }
    });
}

#[test]
fn revoke_state_before_the_gate_then_the_reason_is_seen() {
    holds(|| close(true));
}

mutants! {
    revoke_mutant_relaxed_then_caught by "evict: swapped relaxed": revoke() => UNORDERED;
    revoke_mutant_load_then_store_then_caught by "evict: the frame word is read, then stored":
        revoke() => UNORDERED;
    revoke_mutant_state_after_the_gate_then_caught: close(false) => NO_REASON;
    revoke_mutant_gate_read_relaxed_then_caught by "gates: read relaxed": close(true) => NO_REASON;
}
