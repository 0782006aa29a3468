//! The files of certificates that earlier daemons left, until they are read.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use onair_api::{Certificate, SessionId};
use onair_certificate::{CheckOutcome, Unverifiable, verify};
use onair_disk::{Unfit, remove};
use serde::Deserialize as _;
use serde_json::Value;

use crate::host::Host;
use crate::note::Note;

/// Largest file that is read, in bytes; the daemon's own files have a tenth of it.
pub(super) const MOST_BYTES: u64 = 1 << 20;

/// Why a file is not a certificate of this archive.
#[derive(Debug, thiserror::Error)]
enum Foreign {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error("its name is not a certificate's name (ID.json)")]
    Name,
    #[error("its content is not a complete certificate: {0}")]
    Form(#[from] serde_json::Error),
    #[error(transparent)]
    Format(#[from] Unverifiable),
    #[error("it contains the certificate of session {0}")]
    Other(SessionId),
}

/// File name of a session's certificate in the archive's folder.
pub fn file_name(session: SessionId) -> String {
    format!("{session}.json")
}

/// The session whose certificate a file has, by its name.
fn session_of(file: &Path) -> Option<SessionId> {
    named(file, ".json")
}

/// Whether a file is a part that the writer creates beside the file that it replaces.
fn is_own_part(file: &Path) -> bool {
    named(file, ".json.part").is_some()
}

fn named(file: &Path, ending: &str) -> Option<SessionId> {
    let name = file.file_name()?.to_str()?;
    name.strip_suffix(ending)?.parse().ok()
}

/// Reads a file of the folder. One with a wrong digest or invalid claims is kept unchanged:
/// verifying it shows the fault.
fn read(host: Host, file: &Path) -> Result<Certificate, Foreign> {
    if file.extension().is_none_or(|extension| extension != "json") {
        return Err(Foreign::Name);
    }
    let document: Value = serde_json::from_slice(&host.disk.read(file, MOST_BYTES)?)?;
    let found = verify(&document)?;
    let certificate = Certificate::deserialize(&document)?;
    let session = certificate.session;
    if file.file_name() != Some(OsStr::new(&file_name(session))) {
        return Err(Foreign::Other(session));
    }
    let fail = |check: &onair_certificate::Check| check.outcome == CheckOutcome::Fails;
    for check in found.checks.into_iter().filter(fail) {
        (host.tell)(Note::Invalid {
            path: file.to_owned(),
            check: check.name.to_string(),
            reason: check.detail,
        });
    }
    Ok(certificate)
}

/// Files of earlier daemons: thousands take longer than the rest of a start. They may be read while the archive is used.
#[derive(Debug)]
pub struct Unread {
    host: Host,
    files: Vec<PathBuf>,
}

impl Unread {
    /// The files in `dir` but of certificates that are `known`. Removes the writer's own parts.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn find(
        host: Host,
        dir: &Path,
        known: impl Fn(SessionId) -> bool,
    ) -> io::Result<Self> {
        let mut files = host.disk.list(dir)?;
        files.retain(|path| {
            if is_own_part(path) && remove(host.disk, path).is_ok() {
                (host.tell)(Note::PartRemoved(path.clone()));
                return false;
            }
            !session_of(path).is_some_and(&known)
        });
        Ok(Self { host, files })
    }

    /// The newest incarnation that a file is named after; 0 without any.
    pub(super) fn newest_incarnation(&self) -> u32 {
        let sessions = self.files.iter().filter_map(|it| session_of(it));
        sessions
            .map(SessionId::incarnation)
            .max()
            .unwrap_or_default()
    }

    /// Reads them, for [`super::Archive::take_in`]. An invalid file is left alone.
    #[must_use]
    pub fn read(self) -> Vec<Arc<Certificate>> {
        let read = |path: PathBuf| match read(self.host, &path) {
            Ok(certificate) => Some(Arc::new(certificate)),
            Err(reason) => {
                let reason = reason.to_string();
                (self.host.tell)(Note::NotCertificate { path, reason });
                None
            }
        };
        self.files.into_iter().filter_map(read).collect()
    }
}
