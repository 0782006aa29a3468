//! Storage in `state.dir` that outlives the daemon: certificates, and the sessions that a restart brings back.
//!
//! Decides what is written, and does it on the [`onair_disk::Disk`] of its [`Host`]. It has no thread:
//! the owner's half ([`Archive`], [`Store`]) hands jobs to a [`Writer`], which runs the other half
//! ([`CertificateFiles`], [`SessionFiles`]). Nor has it a log: it tells the host with a [`Note`].
#![forbid(unsafe_code)]

mod certificates;
mod durable;
mod host;
mod note;
mod persisted;
mod restoring;
mod room;
mod sessions;
mod unwritten;

pub use self::certificates::{
    Archive, BATCH, CertificateFiles, CertificateJob, LOG_BYTES, NotOnDisk, Retention, Unread,
    file_name,
};
pub use self::durable::when_durable;
pub use self::host::{Host, Writer};
pub use self::note::Note;
pub use self::persisted::{NextPacket, PersistedSession};
pub use self::room::{Kind, RoomUse};
pub use self::sessions::{DamagedFile, NotUpToDate, SessionFiles, SessionJob, Store};
pub use self::unwritten::{Then, UnwrittenReport, WriteError};
