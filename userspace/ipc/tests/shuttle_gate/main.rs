//! The gate's own code under a random scheduler: long schedules of many threads, with deaths
//! between any two steps. It covers what the explorer's exhaustive search leaves out: more threads,
//! more frames than the ring holds, several attachments, events, gates that wrap.
//!
//! ```text
//! cargo test --release -p onair-ipc --features shuttle --test shuttle_gate --target-dir target/checkers
//! ```
//!
//! `ONAIR_SHUTTLE_SEED` chooses other schedules, `ONAIR_SHUTTLE_TIMES` multiplies their number. A
//! failure prints its seed.
#![cfg(feature = "shuttle")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod drain;
mod events;
mod evict;
mod leave;
mod pulses;
#[path = "../rig/mod.rs"]
mod rig;
mod schedules;
mod storm;
mod wakes;
