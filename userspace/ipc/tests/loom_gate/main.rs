//! The orderings of the gate's words, under loom: every execution that the memory model of C++ and
//! Rust allows, up to a number of preemptions.
//!
//! The words of the crate itself must hold. Beside each stands a copy whose orderings can be
//! spoiled: the copy must hold as well, and each spoiled one must fail, which shows that the test
//! would notice if the crate's were wrong.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test -p onair-ipc --test loom_gate --release --target-dir target/loom
//! ```
#![cfg(loom)]

mod claim;
mod drain;
mod frame;
mod harness;
mod kick;
mod pins;
mod pulse;
mod revoke;
mod sleep;
