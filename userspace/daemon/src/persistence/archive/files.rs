//! The files of the archive: one for each certificate, named after its session, and the write-ahead
//! log.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use onair_api::{Certificate, Memory, SessionId};
use onair_certificate::{CheckOutcome, Unverifiable, verify};
use onair_mutant::mutant;
use onair_record::{Unfit, read_regular};
use serde::Deserialize as _;
use serde_json::Value;

use super::ArchiveJob;
use super::wal::{self, Wal};
use crate::persistence::disk::{self, Parts};
use crate::persistence::unwritten::{Change, Unwritten, WriteError};

/// Largest file that is read, in bytes; the daemon's own files have a tenth of it.
const MOST_BYTES: u64 = 1 << 20;

/// Why a file is not a certificate of this archive.
#[derive(Debug, thiserror::Error)]
pub(super) enum Foreign {
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

/// Whether a file is a part that the writer creates beside the file that it replaces.
pub(super) fn is_own_part(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    let id = name.and_then(|name| name.strip_suffix(".json.part"));
    let is_id = id.is_some_and(|id| id.parse::<SessionId>().is_ok());
    is_id && std::fs::symlink_metadata(file).is_ok_and(|about| about.is_file())
}

/// Reads a file of the folder. One with a wrong digest or invalid claims is kept unchanged:
/// verifying it shows the fault.
pub(super) fn read(file: &Path) -> Result<Certificate, Foreign> {
    if file.extension().is_none_or(|extension| extension != "json") {
        return Err(Foreign::Name);
    }
    let document: Value = serde_json::from_slice(&read_regular(file, MOST_BYTES)?)?;
    let found = verify(&document)?;
    let certificate = Certificate::deserialize(&document)?;
    let session = certificate.session;
    if file.file_name() != path(Path::new(""), session).file_name() {
        return Err(Foreign::Other(session));
    }
    for check in found.checks {
        if check.outcome == CheckOutcome::Fails {
            tracing::warn!(
                path = %file.display(), check = check.name, reason = check.detail,
                "a certificate is invalid: `onairctl certificate verify` tells more"
            );
        }
    }
    Ok(certificate)
}

/// The files, as the writer's thread sees them. A certificate is safe once the write-ahead log has
/// it; its file, which is there by then, is synced later.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    wal_path: PathBuf,
    /// `None` after a failure: each file is synced at once until there is a new log.
    wal: Option<Wal>,
    has_warned: bool,
    /// Certificates that only the log keeps safe, by session.
    unsynced: BTreeMap<u64, Arc<Certificate>>,
    unwritten: Arc<Unwritten<SessionId>>,
}

impl Files {
    /// Writes and syncs the files of all certificates in the log of an earlier daemon, and begins a
    /// new log. Those that cannot be written are [`Self::unsynced`].
    ///
    /// # Errors
    /// The log cannot be read.
    pub(super) fn open(
        dir: &Path,
        wal_path: PathBuf,
        unwritten: &Arc<Unwritten<SessionId>>,
    ) -> io::Result<Self> {
        let mut files = Self {
            dir: dir.to_owned(),
            unsynced: logged(dir, &wal_path)?,
            wal_path,
            wal: None,
            has_warned: false,
            unwritten: Arc::clone(unwritten),
        };
        files.settle();
        Ok(files)
    }

    /// Certificates whose files are not synced.
    pub(super) fn unsynced(&self) -> impl Iterator<Item = &Arc<Certificate>> {
        self.unsynced.values()
    }

    /// Runs the jobs in order, and consecutive writes together. A failed write is kept in
    /// `unwritten`; it is not one of the failures counted here.
    pub(super) fn work(&mut self, jobs: &[ArchiveJob]) -> Vec<io::Result<()>> {
        let both_write = |a: &ArchiveJob, b: &ArchiveJob| {
            matches!((a, b), (ArchiveJob::Write(_), ArchiveJob::Write(_)))
        };
        let mut done = Vec::with_capacity(jobs.len());
        for alike in jobs.chunk_by(both_write) {
            match alike {
                [ArchiveJob::Remove(session)] => done.push(self.remove(*session)),
                [ArchiveJob::Settle] => {
                    self.settle();
                    done.push(Ok(()));
                }
                writes => {
                    self.write(writes);
                    done.extend(writes.iter().map(|_| Ok(())));
                }
            }
        }
        done
    }

    fn remove(&mut self, session: SessionId) -> io::Result<()> {
        self.unwritten.forget(&session);
        self.unsynced.remove(&session.0);
        let dir = &self.dir;
        disk::remove(&path(dir, session)).inspect_err(|error| {
            tracing::error!(%session, %error, dir = %dir.display(), "cannot remove an old certificate");
        })
    }

    /// Writes certificates; of several for one session, only the last form.
    fn write(&mut self, jobs: &[ArchiveJob]) {
        let certificates = jobs.iter().filter_map(|job| match job {
            ArchiveJob::Write(certificate) => Some(certificate),
            ArchiveJob::Remove(_) | ArchiveJob::Settle => None,
        });
        let latest: BTreeMap<u64, _> = certificates.clone().map(|it| (it.session.0, it)).collect();
        let files: Vec<_> = latest.values().map(|it| file(&self.dir, it)).collect();
        let (results, is_logged) = match self.write_logged(&files) {
            Some(results) => (results, true),
            None => (disk::replace_all(&self.dir, &files), false),
        };
        let mut of_session = BTreeMap::new();
        for ((session, certificate), result) in latest.into_iter().zip(results) {
            match &result {
                Ok(()) if is_logged => {
                    self.unsynced.insert(session, Arc::clone(certificate));
                }
                Ok(()) => {
                    self.unsynced.remove(&session);
                }
                Err(_) => {}
            }
            of_session.insert(session, result.map_err(WriteError::from));
        }
        for certificate in certificates {
            self.note(certificate, &of_session[&certificate.session.0]);
        }
    }

    /// Writes files that the log keeps safe, and returns the result for each; `None` without a log,
    /// or if it failed. While the disk writes the log, the files are written beside their places.
    fn write_logged(&mut self, files: &[(PathBuf, Vec<u8>)]) -> Option<Vec<io::Result<()>>> {
        if !self.append(files) {
            return None;
        }
        let parts = Parts::write(files);
        match self.wal.as_ref()?.sync() {
            Ok(()) => Some(parts.take_places()),
            Err(error) => {
                self.abandon_log(&error);
                None
            }
        }
    }

    /// Writes files into the log; makes room first if it is full. Returns whether they are in it.
    fn append(&mut self, files: &[(PathBuf, Vec<u8>)]) -> bool {
        let texts: Vec<_> = files.iter().map(|(_, text)| text).collect();
        for has_made_room in [false, true] {
            match self.wal.as_mut().map(|wal| wal.append(&texts)) {
                Some(Ok(true)) => return true,
                Some(Ok(false)) if !has_made_room => self.settle(),
                Some(Err(error)) => self.abandon_log(&error),
                // No log, or none that is large enough.
                Some(Ok(false)) | None => break,
            }
        }
        false
    }

    /// Syncs the files that only the log keeps safe, and begins the log anew. Files that the disk
    /// does not take are written once more, and then count as not written: the log stays as it is
    /// until the disk has them.
    fn settle(&mut self) {
        if let Some(wal) = &mut self.wal {
            let files: Vec<_> = self
                .unsynced
                .values()
                .map(|it| path(&self.dir, it.session))
                .collect();
            match disk::sync_all(&self.dir, &files).and_then(|()| wal.restart()) {
                Ok(()) => return self.unsynced.clear(),
                Err(error) => self.abandon_log(&error),
            }
        }
        let unsynced = std::mem::take(&mut self.unsynced);
        let files: Vec<_> = unsynced.values().map(|it| file(&self.dir, it)).collect();
        for ((session, certificate), result) in unsynced
            .into_iter()
            .zip(disk::replace_all(&self.dir, &files))
        {
            if let Err(error) = result {
                self.unwritten
                    .begin(&certificate.session, true, Instant::now());
                self.note(&certificate, &Err(error.into()));
                self.unsynced.insert(session, certificate);
            }
        }
        let is_safe = self.unsynced.is_empty();
        if mutant!(
            "archive: a new log before the disk has the files",
            true,
            is_safe
        ) {
            match Wal::create(&self.wal_path) {
                Ok(wal) => (self.wal, self.has_warned) = (Some(wal), false),
                Err(error) => self.abandon_log(&error),
            }
        }
    }

    fn abandon_log(&mut self, error: &io::Error) {
        self.wal = None;
        if !std::mem::replace(&mut self.has_warned, true) {
            tracing::warn!(
                path = %self.wal_path.display(), %error,
                "the log of certificates cannot be written: each certificate is synced by itself, which takes longer"
            );
        }
    }

    /// Records the result of a write, and logs what an operator must know.
    fn note(&self, certificate: &Certificate, result: &Result<(), WriteError>) {
        let (session, name) = (certificate.session, &certificate.name);
        let error = result.as_ref().err().map(tracing::field::display);
        match self.unwritten.end(&session, result, Instant::now()) {
            Change::None => {}
            Change::Failed => tracing::error!(
                %session, %name, error, dir = %self.dir.display(),
                "cannot write a certificate: it stays in memory, and the daemon retries until it is on disk"
            ),
            Change::Recovered(tries) => {
                tracing::info!(%session, %name, tries, "the certificate is on disk now");
            }
        }
    }
}

/// The certificates in the log of an earlier daemon, by session: of several forms the last. The
/// completed form in a file is never older.
fn logged(dir: &Path, wal_path: &Path) -> io::Result<BTreeMap<u64, Arc<Certificate>>> {
    let logged = match wal::read(wal_path) {
        Ok(logged) => logged,
        Err(Unfit::System(error)) => return Err(error),
        Err(error) => {
            let aside = disk::set_aside(wal_path)?;
            tracing::error!(path = %aside.display(), %error, "set aside a file that is not the log of certificates");
            Vec::new()
        }
    };
    let is_completed = |it: &Certificate| matches!(it.memory, Memory::Returned { .. });
    let is_older = |it: &Certificate| {
        let there = std::fs::read(path(dir, it.session)).ok();
        let there = there.and_then(|text| wal::whole(&text));
        let is_older = !is_completed(it) && there.is_some_and(|there| is_completed(&there));
        is_older && !mutant!("archive: a pending form replaces the completed one")
    };
    let logged = logged.into_iter().map(|it| (it.session.0, Arc::new(it)));
    let mut latest: BTreeMap<u64, _> = logged.collect();
    latest.retain(|_, it| !is_older(it));
    Ok(latest)
}

fn file(dir: &Path, certificate: &Certificate) -> (PathBuf, Vec<u8>) {
    let mut text = serde_json::to_vec_pretty(certificate).expect("maps have text keys");
    text.push(b'\n');
    (path(dir, certificate.session), text)
}

fn path(dir: &Path, session: SessionId) -> PathBuf {
    dir.join(file_name(session))
}

/// File name of a session's certificate in the archive's folder.
pub fn file_name(session: SessionId) -> String {
    format!("{session}.json")
}
