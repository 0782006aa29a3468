//! DPDK itself, each test in a process of its own. Some need root.
#![forbid(unsafe_code)]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod beside;
mod common;
mod eal;
mod pool;
mod queues;
mod refusals;
mod reopen;
mod ring;
mod veth;
mod without_hardware;
