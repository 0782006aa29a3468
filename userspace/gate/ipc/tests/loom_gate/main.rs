//! The orderings of the gate's words, under loom: every execution that the memory model of C++ and
//! Rust allows, up to a number of preemptions.
//!
//! The crate's own words must pass. Beside each is a copy whose orderings a test can weaken: the
//! copy must pass as well, and each weakened one must fail. That proves that the test would notice
//! a wrong ordering in the crate.
//!
//! ```text
//! ONAIR_BUILD_MUTANTS=1 cargo test --release -p onair-ipc --features loom --test loom_gate --target-dir target/checkers
//! ```
#![cfg(feature = "loom")]

mod claim;
mod drain;
mod fill;
mod frame;
mod harness;
mod kick;
mod pins;
mod progress;
mod pulse;
mod revoke;
mod sleep;
