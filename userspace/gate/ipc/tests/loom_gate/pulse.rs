//! Gate words alone: no pulse is lost, and the gate never stays half stopped.

use loom::sync::atomic::{AtomicU32, Ordering};
use onair_ipc::gate::{Gate, is_open};

use crate::harness::{beside, holds, mutants};

const HALF_STOPPED: &str = "half stopped forever";

/// Two threads stop and start the same gate.
fn two_pulses() {
    let gate = Gate::closed();
    gate.start();
    let snapshot = gate.load();
    let pulse = |gate: &Gate| {
        gate.stop();
        gate.start();
    };
    let gate = beside(gate, pulse, pulse);
    assert!(gate.load() != snapshot, "the pulses were lost");
    assert!(is_open(gate.load()), "the gate was left stopped");
}

#[test]
fn gate_two_racing_pulses_then_changed_and_open() {
    holds(two_pulses);
}

/// The design before the gate word: a STOP bit in each slot, and a stop that races a start.
fn stop_bits_in_slots() {
    let slots = [AtomicU32::new(1), AtomicU32::new(1)];
    let stop = |slots: &[AtomicU32; 2]| {
        for slot in slots {
            slot.fetch_or(1, Ordering::SeqCst);
        }
    };
    let slots = beside(slots, stop, |slots| {
        for slot in slots {
            slot.fetch_and(!1, Ordering::SeqCst);
        }
    });
    let [first, second] = [0, 1].map(|slot: usize| slots[slot].load(Ordering::SeqCst));
    assert_eq!(first, second, "{HALF_STOPPED}");
}

mutants! {
    gate_mutant_stop_bits_in_slots_then_caught: stop_bits_in_slots() => HALF_STOPPED;
}
