//! Variants that must pass, and mutants that must be caught.

use super::{StoreBuffer, Variant, Violation};
use crate::model::search::explore;

fn passes(variant: Variant) {
    let outcome = explore(&StoreBuffer { variant });
    eprintln!("{} states", outcome.states);
    if let Some(fault) = outcome.fault {
        panic!("{fault}");
    }
}

fn caught(variant: Variant, expected: Violation) {
    let outcome = explore(&StoreBuffer { variant });
    let fault = outcome.fault.expect("the mutant is a bug");
    assert_eq!(fault.violation, expected, "{fault}");
}

#[test]
fn store_buffer_plain_counts_and_membarrier_then_holds() {
    passes(Variant::Base);
}

#[test]
fn store_buffer_client_rmw_without_barrier_then_holds() {
    passes(Variant::ClientRmw);
}

#[test]
fn store_buffer_mutant_no_barrier_then_caught() {
    caught(Variant::NoBarrier, Violation::DestroyedUnderCaller);
}

#[test]
fn store_buffer_mutant_barrier_before_gate_then_caught() {
    caught(Variant::BarrierBeforeGate, Violation::DestroyedUnderCaller);
}

#[test]
fn store_buffer_mutant_barrier_before_arm_then_caught() {
    caught(Variant::BarrierBeforeArm, Violation::LostNotification);
}
