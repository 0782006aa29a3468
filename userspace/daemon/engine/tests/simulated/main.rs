//! Whole lives of sessions: the real actor on a simulated machine, in one thread, without DPDK, probe and sockets.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod activations;
mod clients;
mod ends;
mod frames;
mod groups;
mod layouts;
mod local;
mod persistence;
mod pollers;
mod recordings;
mod sessions;
mod shares;
mod stream;
