//! The daemon's side and the client's side of one attachment, over real shared memory, real
//! futexes, real signals and real forks.
#![cfg(not(feature = "loom"))]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod ends;
mod events;
mod evict;
mod forks;
mod frames;
mod handlers;
mod open;
mod open_send;
#[path = "../rig/mod.rs"]
mod rig;
mod stops;

use std::sync::atomic::{AtomicU32, AtomicU64};

use onair_ipc::caller::Attachment;
use onair_ipc::layout;
use onair_ipc::mapping::Mapping;

/// All that the client can write, without the rules.
fn words(client: &Attachment) -> &Mapping {
    // SAFETY: no test borrows a frame while it changes words.
    unsafe { client.words() }
}

/// A frame word.
fn frame_word(client: &Attachment, frame: usize) -> &AtomicU64 {
    words(client).at(layout::SEG_FRAMES + frame * 8)
}

/// The number of threads that the event count of frames says are waiting.
fn waiters(client: &Attachment) -> &AtomicU32 {
    words(client).at(layout::SEG_COUNT_FRAME + 4)
}
