//! Gate words alone: no pulse is lost, and the gate never stays half stopped.

use loom::sync::Arc;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::thread;
use onair_ipc::gate::{Gate, is_open};

use crate::harness::{holds, mutants};

const HALF_STOPPED: &str = "half stopped for ever";

/// Two threads stop and start the same gate.
fn two_pulses() {
    let gate = Arc::new(Gate::closed());
    gate.start();
    let snapshot = gate.load();
    let other = Arc::clone(&gate);
    let pulse = |gate: &Gate| {
        gate.stop();
        gate.start();
    };
    let thread = thread::spawn(move || pulse(&other));
    pulse(&gate);
    thread.join().expect("a pulse returns");
    assert!(gate.load() != snapshot, "the pulses were lost");
    assert!(is_open(gate.load()), "the gate was left stopped");
}

#[test]
fn gate_two_racing_pulses_then_changed_and_open() {
    holds(two_pulses);
}

/// The design before the gate word: a STOP bit in each slot, and a stop that races a start.
fn stop_bits_in_slots() {
    let slots = Arc::new([AtomicU32::new(1), AtomicU32::new(1)]);
    let other = Arc::clone(&slots);
    let stopper = thread::spawn(move || {
        for slot in other.iter() {
            slot.fetch_or(1, Ordering::SeqCst);
        }
    });
    for slot in slots.iter() {
        slot.fetch_and(!1, Ordering::SeqCst);
    }
    stopper.join().expect("the stop returns");
    let [first, second] = [0, 1].map(|slot: usize| slots[slot].load(Ordering::SeqCst));
    assert_eq!(first, second, "{HALF_STOPPED}");
}

mutants! {
    gate_mutant_stop_bits_in_slots_then_caught: stop_bits_in_slots() => HALF_STOPPED;
}
