//! The recorder's threads: what may wait for a disk (creating files, finishing them, scanning the folder at the start).
//!
//! They tell the control thread with a [`RecorderEvent`](onair_engine::machine::RecorderEvent). The shutdown has
//! [`Live`], which works also without the control thread. Which recordings there are, and when each ends, is decided
//! in [`onair_engine::recorder`]; the crate `onair-record` makes files of packets.

mod active;
mod launch;
mod seam;
mod startup;

pub use self::active::{Active, RecordingFailure, worker_name};
pub use self::launch::RecorderThreads;
pub use seam::{Live, RecordingsFailed};
