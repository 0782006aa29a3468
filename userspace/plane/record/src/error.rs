//! Errors that a caller gets. A disk fault during a recording is not an error here: it is the
//! recording's state.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a recording cannot start, or cannot have another producer.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// A number is out of range.
    #[error("{what} {value} is out of range: give {least} to {most}")]
    Value {
        /// Name of the field.
        what: &'static str,
        /// The given value.
        value: u64,
        /// Smallest valid value.
        least: u64,
        /// Largest valid value.
        most: u64,
    },
    /// A recording with this name exists, running or ended.
    #[error("{} already exists: give another name", .0.display())]
    Exists(PathBuf),
    /// A file cannot be created.
    #[error("cannot create {}: {source}; check that the folder is writable and has space", path.display())]
    Create {
        /// Path of the file.
        path: PathBuf,
        /// The kernel's error.
        source: io::Error,
    },
    /// Free space is below the reserve.
    #[error("{free} bytes are free in {}, but {wanted} must stay free: make space or lower min_free", folder.display())]
    Full {
        /// Folder of the files.
        folder: PathBuf,
        /// Free bytes.
        free: u64,
        /// Bytes that must stay free.
        wanted: u64,
    },
    /// A thread cannot be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The recording accepts no more.
    #[error("the recording accepts no more packets: start another one")]
    Ended,
}

/// Why a recording is not finished.
#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    /// Its files are incomplete at the deadline. The drain thread continues: ask again, or leave it
    /// behind.
    #[error("not finished within {waited:?}: {doing}, {pending} events are not in a file yet")]
    Late {
        /// Time waited.
        waited: Duration,
        /// The drain thread's work.
        doing: String,
        /// Accepted events that are neither written nor lost.
        pending: u64,
    },
    /// The drain thread panicked. The next start repairs what it had written.
    #[error(transparent)]
    Panicked(#[from] DrainPanic),
}

/// The drain thread panicked, with this message.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the drain thread panicked: {0}")]
pub struct DrainPanic(pub String);
