//! The daemon's recordings: owners, start, end.
//!
//! The control thread owns the list. Work that may wait for a disk (creating files, finishing them,
//! scanning the folder at the start) runs on separate threads, which send a [`RecorderEvent`] to
//! the control thread. The shutdown has [`Live`], which works also without the control thread.
//!
//! The crate `onair-record` makes files of packets.

mod active;
mod carry;
mod convert;
mod course;
mod launch;
mod list;
mod live;
mod naming;
mod startup;

use onair_api::RecordingView;

pub use self::active::{About, Active, RecordingFailure, worker_name};
pub use self::carry::{Recorded, Remainder};
pub use self::course::{Course, CourseEvent, CourseLimits, CourseStep};
pub use self::launch::{Launch, Launched};
pub use self::list::{Recorder, RunningRecording};
pub use self::live::{Live, RecordingsFailed};

/// Events from the recorder's threads to the control thread.
#[derive(Debug)]
pub enum RecorderEvent {
    /// The files of a recording exist, or could not be created.
    Launched {
        /// Recording id.
        recording: u64,
        /// The recording with its producer, or the error.
        result: Result<Box<Launched>, Box<onair_api::Problem>>,
    },
    /// A recording has ended; its files are on disk as far as possible.
    Ended {
        /// Recording id.
        recording: u64,
        /// The error, if any.
        failure: Option<RecordingFailure>,
    },
    /// A picture of a session is made, as a PNG, or there is none.
    Pictured {
        /// Snapshot id, of the same numbers as recordings.
        snapshot: u64,
        /// The picture.
        result: Result<Vec<u8>, Box<onair_api::Problem>>,
    },
    /// Previous daemons' recordings in the folder, repaired if needed.
    Found(Vec<RecordingView>),
}
