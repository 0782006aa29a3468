//! Recordings through the crate's own door: real threads, real files, read by others' tools.
#![expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test may fail"
)]

mod drain_thread;
mod files;
mod repair;
mod rig;
mod ring_buffer;
mod video;

// The same sender and the same reader are used by whole-system tests.
#[path = "../../../../tests/src/flow.rs"]
#[expect(unreachable_pub, reason = "it is the library's elsewhere")]
mod flow;
#[path = "../../../../tests/src/pcapng.rs"]
#[expect(unreachable_pub, reason = "it is the library's elsewhere")]
mod pcapng;
