//! The recordings: their list, the begin and end of each, and its report.
//!
//! The control thread owns the list. What may wait for a disk (creating files, finishing them, scanning the folder)
//! is the machine's, whose threads send a [`RecorderEvent`](crate::machine::RecorderEvent).

mod carry;
mod continuing;
pub mod convert;
mod lifecycle;
mod list;
mod naming;

pub use self::carry::{Recorded, Remainder};
pub(crate) use self::continuing::{Restored, decide};
pub use self::lifecycle::{LifecycleEvent, LifecycleStep};
pub use self::list::{Active, Recorder, RunningRecording};
