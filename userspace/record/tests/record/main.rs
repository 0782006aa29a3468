//! Recordings through the crate's public API: real threads and files, read by independent tools.
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

// Whole-system tests use the same sender and reader.
#[path = "../../../../tests/src/network/flow.rs"]
#[expect(unreachable_pub, reason = "it is the library's elsewhere")]
mod flow;
#[path = "../../../../tests/src/recordings/pcapng.rs"]
#[expect(unreachable_pub, reason = "it is the library's elsewhere")]
mod pcapng;
