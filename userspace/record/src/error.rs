//! What can go wrong where somebody waits for an answer. Faults of the disk while a recording runs
//! are no errors here: they are its state.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::manifest::Manifest;

/// Why a recording cannot be started, or have another producer.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A number that is out of range.
    #[error("{what} {value} is not possible: give {least} to {most}")]
    Value {
        /// Which.
        what: &'static str,
        /// What was given.
        value: u64,
        /// Least.
        least: u64,
        /// Most.
        most: u64,
    },
    /// Video of which parts of packets are captured.
    #[error("frames need whole packets: leave snap_length {0} out, or record pcapng")]
    SnapVideo(u32),
    /// A recording of that name is there, running or not.
    #[error("{} is there already: give another name", .0.display())]
    Exists(PathBuf),
    /// A file cannot be made.
    #[error("cannot make {}: {source}; see that the folder can be written and has space", path.display())]
    Create {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Less is free than is to stay free.
    #[error("{free} bytes are free where {} is, and {wanted} are to stay free: make space, or lower min_free", folder.display())]
    Full {
        /// Where the files would be.
        folder: PathBuf,
        /// What is free.
        free: u64,
        /// What is to stay free.
        wanted: u64,
    },
    /// No thread can be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The recording accepts no more.
    #[error("the recording accepts no more: start another one")]
    Ended,
}

/// Why a recording is not finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Its files are not complete yet. The drain thread goes on; ask again, or leave it behind.
    #[error("not finished within {waited:?}: {doing}, {pending} events are not in a file yet")]
    Late {
        /// How long it was waited for.
        waited: Duration,
        /// What the drain thread does.
        doing: String,
        /// Events that were accepted and are neither written nor lost.
        pending: u64,
    },
    /// The drain thread panicked. What it had written is repaired at the next start.
    #[error("the drain thread panicked: {0}")]
    Panicked(String),
}

/// Why a flush was not completed.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// What had been accepted is not written yet.
    #[error("not flushed within {waited:?}: {doing}, {pending} events are not in a file yet")]
    Late {
        /// How long it was waited for.
        waited: Duration,
        /// What the drain thread does.
        doing: String,
        /// Events that were accepted and are neither written nor lost.
        pending: u64,
    },
    /// The recording ended; its manifest says what became of everything.
    #[error("the recording has ended")]
    Ended(Option<Box<Manifest>>),
}
