//! The recorder: producers hand events in, files come out, and what was accepted is on disk.
//!
//! A [`Recording`] has any number of [`Producer`]s, each with a ring of its own, and one drain
//! thread that makes files of what is in the rings. An event is one packet: its time, its length on
//! the wire, and what was captured of it. A producer never waits: what has no place is counted, and
//! the place where it is missing is marked in the file. After [`Recording::finish`] every event that
//! arrived is in a file, or counted under the reason why not; the manifest beside the files says so.
//! [`repair`] makes whole what a killed process left behind.
//!
//! Ports, sessions and sockets never live here, and nothing here knows who the producers are.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail"))]

mod books;
mod drain;
mod error;
mod event;
mod files;
mod format;
mod gaps;
mod gate;
mod manifest;
mod producer;
mod recording;
mod repair;
mod ring;
mod shared;
mod spec;

pub use books::{Counts, Dropped, Lost, ProducerCounts};
pub use error::{FinishError, FlushError, RecordError};
pub use event::MAX_SNAP_LENGTH;
pub use files::careful::{Unfit, open_regular, read_named, read_regular};
pub use manifest::{
    Cause, FileReport, FrameLeftOut, Frames, Gap, LISTED, MANIFEST_VERSION, Manifest, Repair,
    RepairedFile, Stage, Time, Video,
};
pub use producer::Producer;
pub use recording::{Flushed, Listener, Recording, State, Status};
pub use repair::{LeftAlone, Repaired, repair};
pub use spec::{
    BadName, Format, FormatKind, MAX_NAME, MAX_RING, MIN_RING, MIN_SPLIT, RecordName, SessionLabel,
    Spec,
};
