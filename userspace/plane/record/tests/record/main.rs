//! Recordings through the crate's public API: real threads and files, read by independent tools.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod drain_thread;
mod files;
mod go_on;
mod repair;
mod rig;
mod ring_buffer;

// Whole-system tests use the same reader.
#[path = "../../../../../tests/src/recordings/pcapng.rs"]
#[expect(unreachable_pub, reason = "it is the library's elsewhere")]
mod pcapng;
