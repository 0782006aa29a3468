//! Recordings as the daemon has them: who they belong to, how they start, how they end.
//!
//! The control thread owns the list. Whatever may have to wait for a disk (making files, finishing
//! them, looking through the folder at the start) is done on threads of its own, which tell the
//! control thread by [`RecorderEvent`]. The daemon's end has [`Live`], which works also when the control thread
//! does not.
//!
//! How packets become files is the business of the crate `onair-record`.

mod convert;
mod launch;
mod list;
mod live;
mod startup;

use onair_types::RecordingView;

pub use self::launch::{Launch, Launched};
pub use self::list::{Entry, Phase, Recorder};
pub use self::live::{About, Active, Live, worker_name};

/// What the threads of the recorder tell the control thread.
#[derive(Debug)]
pub enum RecorderEvent {
    /// The files of a recording are made, or cannot be.
    Launched {
        /// Which.
        recording: u64,
        /// It, with its producer; or why not.
        result: Result<Box<Launched>, Box<onair_types::Problem>>,
    },
    /// A recording has ended; all of it that can be is on disk.
    Ended {
        /// Which.
        recording: u64,
        /// What went wrong.
        failure: Option<String>,
    },
    /// Recordings of earlier daemons were found in the folder, and repaired where that was needed.
    Found(Vec<RecordingView>),
}
