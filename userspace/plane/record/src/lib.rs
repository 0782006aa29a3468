//! The recorder: producers offer events, the recorder writes them to files on disk.
//!
//! A [`Recording`] has any number of [`Producer`]s, each with its own ring, and one drain thread
//! that writes the rings' events to files. An event is one packet: its time, its length on the
//! wire, and its captured bytes. A producer never waits: events that do not fit are counted, and
//! the file marks where they are missing. After [`Recording::finish`] every event that arrived is
//! in a file, or counted under the reason why not; the manifest beside the files lists both.
//! [`repair`] repairs what a killed process left.
//!
//! Ports, sessions and sockets do not belong here, and nothing here depends on what the producers
//! are, or on what the packets carry.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, reason = "a test may fail"))]

mod before;
mod drain;
mod error;
mod files;
mod gaps;
mod manifest;
mod pcapng;
mod producer;
mod recording;
mod repair;
mod shared;
mod spec;
mod tail;
mod totals;

pub use before::{Seam, conclude};
pub use error::{FinishError, RecordError};
pub use manifest::{
    FileReport, GAPS_TOLD, Gap, LISTED, MANIFEST_VERSION, Manifest, Repair, RepairedFile, Restart,
    Stage, Time,
};
pub use producer::MAX_SNAP_LENGTH;
pub use producer::PacketReader;
pub use producer::Producer;
pub use recording::{FlushError, Recording, Status};
pub use repair::{LeftAlone, Repaired, repair};
pub use shared::{DrainState, FlushedEvents, Listener};
pub use spec::{
    BadName, MAX_NAME, MAX_RING, MIN_RING, MIN_SPLIT, RecordName, Request, SessionLabel, Spec,
};
pub use tail::last_events;
pub use totals::{Counts, Dropped, Lost, ProducerCounts};
