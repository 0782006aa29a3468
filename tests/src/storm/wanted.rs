//! What the program is asked for.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A storm as it is asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Wanted {
    /// Where it is recorded, as `storm`.
    pub folder: PathBuf,
    /// Packets of frames instead of events.
    pub sends_frames: bool,
    /// Threads that offer.
    pub producers: u32,
    /// Events a second, of all of them together; of them: frames.
    pub rate: u32,
    /// Bytes of each ring.
    pub ring_bytes: usize,
    /// Bytes that stay free.
    pub min_free_bytes: u64,
    /// Bytes of a part.
    pub split_size: Option<u64>,
    /// The drain thread sleeps until the end wakes it; it says `ready` when a ring is full.
    pub fills_rings: bool,
}

impl Wanted {
    /// 64 producers that offer a million events a second in all.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
            sends_frames: false,
            producers: 64,
            rate: 1_000_000,
            ring_bytes: 1 << 20,
            min_free_bytes: 0,
            split_size: None,
            fills_rings: false,
        }
    }
}
