//! The words that two processes share, and their rules (`docs/gate.md`).

pub mod event_count;
#[cfg(not(feature = "loom"))]
pub mod fence;
pub mod frame_word;
pub mod gate;
pub mod kick;
pub mod progress;
pub mod sending;
pub mod slot;
