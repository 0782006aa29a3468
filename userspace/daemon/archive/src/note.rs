//! Facts about the files for an operator.

use std::io;
use std::path::PathBuf;

use onair_api::{SessionId, SessionName};

use crate::room::RoomUse;
use crate::unwritten::WriteError;

/// Something that the host is told.
#[derive(Debug)]
pub enum Note {
    /// A daemon was killed while it wrote a certificate, which no answer has mentioned: removed.
    PartRemoved(PathBuf),
    /// A file in the folder of certificates is none.
    NotCertificate {
        /// The file, left as it is.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A stored certificate fails a check.
    Invalid {
        /// Its file.
        path: PathBuf,
        /// The check's name.
        check: String,
        /// The fault.
        reason: String,
    },
    /// The write-ahead log ends in a record that is not whole.
    TornLog {
        /// The log.
        path: PathBuf,
        /// Whole records before it.
        records: usize,
    },
    /// Something else is in the place of the write-ahead log: renamed.
    LogSetAside {
        /// Where it is now.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// The write-ahead log cannot be written.
    LogFailed {
        /// The log.
        path: PathBuf,
        /// The disk's error.
        error: io::Error,
    },
    /// The disk did not take a certificate.
    CertificateFailed {
        /// Its session.
        session: SessionId,
        /// The session's name.
        name: SessionName,
        /// The disk's error.
        error: WriteError,
    },
    /// A certificate is on disk after so many failed writes.
    CertificateWritten {
        /// Its session.
        session: SessionId,
        /// The session's name.
        name: SessionName,
        /// Failed writes.
        tries: u32,
    },
    /// There is little room for certificates of this kind: soon the oldest ones are removed.
    ArchiveFills(RoomUse),
    /// The file of an old certificate cannot be removed.
    CertificateStays {
        /// Its session.
        session: SessionId,
        /// The disk's error.
        error: io::Error,
    },
    /// A file in the folder of sessions is none: renamed.
    SessionSetAside {
        /// Where it is now.
        path: PathBuf,
        /// The fault.
        reason: String,
    },
    /// A stored session of an earlier configuration is not in the current one: it is forgotten.
    SessionNotConfigured(SessionName),
    /// The disk did not take the file of a session, or its removal.
    SessionFailed {
        /// The session.
        name: SessionName,
        /// Whether the file was to be removed.
        is_removal: bool,
        /// The disk's error.
        error: WriteError,
    },
    /// The file of a session is up to date after so many failed tries.
    SessionWritten {
        /// The session.
        name: SessionName,
        /// Failed tries.
        tries: u32,
    },
    /// The thread that writes has ended: this is not on disk.
    WriterEnded(String),
}
