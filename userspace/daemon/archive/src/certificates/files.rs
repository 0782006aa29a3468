//! The files of the archive: one for each certificate, named after its session, and the write-ahead
//! log.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use onair_api::{Certificate, Memory, SessionId};
use onair_disk::{Parts, Unfit, open_folder, remove, replace_all, set_aside, sync_all};
use onair_mutant::mutant;

use super::unread::{MOST_BYTES, Unread, file_name};
use super::wal::{self, Wal};
use crate::host::Host;
use crate::note::Note;
use crate::unwritten::{Change, Unwritten, WriteError};

/// Name of the write-ahead log in `state.dir`.
const WAL: &str = "certificates.wal";

/// A job of the writer.
#[derive(Debug)]
pub enum CertificateJob {
    /// Write a certificate.
    Write(Arc<Certificate>),
    /// Remove that of a session.
    Remove(SessionId),
    /// Sync the files that only the write-ahead log keeps safe.
    Settle,
}

/// A certificate that only the log keeps safe.
#[derive(Debug)]
struct Logged {
    certificate: Arc<Certificate>,
    /// It has a file, which is not synced. Else the disk did not take it.
    has_file: bool,
}

impl Logged {
    fn is(&self, certificate: &Arc<Certificate>) -> bool {
        Arc::ptr_eq(&self.certificate, certificate) || self.certificate == *certificate
    }
}

/// The files, as the writer's thread sees them. A certificate is safe once the write-ahead log has
/// it; its file, which is there by then, is synced later.
#[derive(Debug)]
pub struct CertificateFiles {
    host: Host,
    dir: PathBuf,
    wal_path: PathBuf,
    wal_bytes: usize,
    /// `None` after a failure: each file is synced at once until there is a new log.
    wal: Option<Wal>,
    has_warned: bool,
    /// Certificates that only the log keeps safe, by session.
    unsynced: BTreeMap<u64, Logged>,
    unwritten: Arc<Unwritten<SessionId>>,
}

impl CertificateFiles {
    /// Writes and syncs the files of all certificates in the log of an earlier daemon, and begins a new one: what a
    /// killed daemon wrote need not be on disk. Finds the files of the others.
    ///
    /// # Errors
    /// The disk's.
    pub(super) fn open(
        host: Host,
        state: &Path,
        wal_bytes: usize,
        unwritten: &Arc<Unwritten<SessionId>>,
    ) -> io::Result<(Self, Vec<Arc<Certificate>>, Unread)> {
        let (dir, wal_path) = (state.join("certificates"), state.join(WAL));
        open_folder(host.disk, &dir)?;
        let mut files = Self {
            host,
            unsynced: logged(host, &dir, &wal_path)?
                .into_iter()
                .map(|(session, certificate)| {
                    let has_file = false;
                    (
                        session,
                        Logged {
                            certificate,
                            has_file,
                        },
                    )
                })
                .collect(),
            dir,
            wal_path,
            wal_bytes,
            wal: None,
            has_warned: false,
            unwritten: Arc::clone(unwritten),
        };
        files.settle();
        // Of one in the log, that form counts, whatever lies in its place.
        let unread = Unread::find(host, &files.dir, |it| files.unsynced.contains_key(&it.0))?;
        // Those that the disk did not take.
        let logged = files.unsynced.values();
        let logged = logged.map(|it| Arc::clone(&it.certificate)).collect();
        Ok((files, logged, unread))
    }

    /// Runs the jobs in order, and consecutive writes together. A failed write is kept for the archive,
    /// which hands it in again; it is not one of the failures counted here.
    pub fn work(&mut self, jobs: &[CertificateJob]) -> Vec<io::Result<()>> {
        let both_write = |a: &CertificateJob, b: &CertificateJob| {
            matches!((a, b), (CertificateJob::Write(_), CertificateJob::Write(_)))
        };
        let mut done = Vec::with_capacity(jobs.len());
        for alike in jobs.chunk_by(both_write) {
            match alike {
                [CertificateJob::Remove(session)] => done.push(self.remove(*session)),
                [CertificateJob::Settle] => {
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
        remove(self.host.disk, &path(&self.dir, session)).inspect_err(|error| {
            let error = io::Error::new(error.kind(), error.to_string());
            (self.host.tell)(Note::CertificateStays { session, error });
        })
    }

    /// Writes certificates; of several for one session, only the last form.
    fn write(&mut self, jobs: &[CertificateJob]) {
        let certificates = jobs.iter().filter_map(|job| match job {
            CertificateJob::Write(certificate) => Some(certificate),
            CertificateJob::Remove(_) | CertificateJob::Settle => None,
        });
        let latest: BTreeMap<u64, _> = certificates.clone().map(|it| (it.session.0, it)).collect();
        // What is tried again takes no more room in the log.
        let (again, new): (Vec<_>, Vec<_>) =
            latest.into_iter().partition(|(session, certificate)| {
                let logged = self.wal.as_ref().and(self.unsynced.get(session));
                logged.is_some_and(|it| it.is(certificate))
            });
        let file = |(_, certificate): &(u64, &Arc<Certificate>)| file(&self.dir, certificate);
        let files: Vec<_> = new.iter().map(file).collect();
        let again_files: Vec<_> = again.iter().map(file).collect();
        let (results, is_logged) = match self.write_logged(&files) {
            Some(results) => (results, true),
            None => (replace_all(self.host.disk, &self.dir, &files), false),
        };
        let mut of_session = BTreeMap::new();
        for ((session, certificate), result) in new.into_iter().zip(results) {
            let has_file = result.is_ok();
            if is_logged {
                let certificate = Arc::clone(certificate);
                self.unsynced.insert(
                    session,
                    Logged {
                        certificate,
                        has_file,
                    },
                );
            } else if has_file {
                self.unsynced.remove(&session);
            } else if let Some(logged) = self.unsynced.get_mut(&session) {
                // The log has an older form. A file of that would count as one of this form.
                (logged.certificate, logged.has_file) = (Arc::clone(certificate), false);
            }
            of_session.insert(session, result.map_err(WriteError::from));
        }
        let results = replace_all(self.host.disk, &self.dir, &again_files);
        for ((session, _), result) in again.into_iter().zip(results) {
            if result.is_ok() {
                self.unsynced.remove(&session);
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
        if files.is_empty() {
            return Some(Vec::new());
        }
        if !self.append(files) {
            return None;
        }
        let parts = Parts::write(self.host.disk, files);
        match self.wal.as_ref()?.sync() {
            Ok(()) => Some(parts.take_places()),
            Err(error) => {
                self.abandon_log(error);
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
                Some(Err(error)) => self.abandon_log(error),
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
        if self.wal.is_none() {
            // A log that failed keeps nothing safe: each needs a synced file.
            let unsynced = self.unsynced.values_mut();
            unsynced.for_each(|it| it.has_file = false);
        }
        self.write_missing();
        let is_missing = |it: &Logged| !it.has_file;
        if let Some(wal) = &mut self.wal {
            if self.unsynced.values().any(is_missing)
                && !mutant!("archive: a log is begun anew without its files")
            {
                return;
            }
            let files: Vec<_> = self
                .unsynced
                .values()
                .map(|it| path(&self.dir, it.certificate.session))
                .collect();
            match sync_all(self.host.disk, &self.dir, &files).and_then(|()| wal.restart()) {
                Ok(()) => return self.unsynced.clear(),
                Err(error) => self.abandon_log(error),
            }
            self.unsynced
                .values_mut()
                .for_each(|it| it.has_file = false);
            self.write_missing();
        }
        let is_safe = self.unsynced.is_empty();
        let may_begin = mutant!(
            "archive: a new log before the disk has the files",
            true,
            is_safe
        );
        let (disk, path, bytes) = (self.host.disk, &self.wal_path, self.wal_bytes);
        let resume = || Wal::resume(disk, path, bytes);
        // A disk that is full has no room for a new one.
        let log = match may_begin {
            true => Wal::create(disk, path, bytes).or_else(|error| resume().map_err(|_| error)),
            false => resume(),
        };
        match log {
            Ok(wal) => (self.wal, self.has_warned) = (Some(wal), false),
            Err(error) => self.abandon_log(error),
        }
    }

    /// Writes and syncs the certificates in the log that have no file.
    fn write_missing(&mut self) {
        let missing = self.unsynced.values().filter(|it| !it.has_file);
        let missing: Vec<_> = missing.map(|it| Arc::clone(&it.certificate)).collect();
        let files: Vec<_> = missing.iter().map(|it| file(&self.dir, it)).collect();
        let results = replace_all(self.host.disk, &self.dir, &files);
        for (certificate, result) in missing.iter().zip(results) {
            if result.is_ok() {
                self.unsynced.remove(&certificate.session.0);
            }
            if result.is_err() || self.unwritten.has_failed(&certificate.session) {
                self.unwritten.begin(&certificate.session);
                self.note(certificate, &result.map_err(WriteError::from));
            }
        }
    }

    fn abandon_log(&mut self, error: io::Error) {
        self.wal = None;
        if !std::mem::replace(&mut self.has_warned, true) {
            let path = self.wal_path.clone();
            (self.host.tell)(Note::LogFailed { path, error });
        }
    }

    /// Records the result of a write.
    fn note(&self, certificate: &Certificate, result: &Result<(), WriteError>) {
        let (session, name) = (certificate.session, certificate.name.clone());
        match (self.unwritten.end(&session, result), result.clone()) {
            (Change::Failed, Err(error)) => (self.host.tell)(Note::CertificateFailed {
                session,
                name,
                error,
            }),
            (Change::Recovered(tries), _) => (self.host.tell)(Note::CertificateWritten {
                session,
                name,
                tries,
            }),
            _ => {}
        }
    }
}

/// How far a form of a certificate is: whether it is completed, and when the last witness was read. All forms
/// are of one daemon, and so of one clock.
fn stage(certificate: &Certificate) -> (bool, Option<u64>) {
    let readings = certificate.readings.iter();
    (
        matches!(certificate.memory, Memory::Returned { .. }),
        readings.map(|it| it.at_monotonic_ns).max(),
    )
}

/// The certificates in the log of an earlier daemon, by session: of several forms the last, unless the file
/// has a later one. It was synced then, because the log could not be written any more.
fn logged(host: Host, dir: &Path, wal_path: &Path) -> io::Result<BTreeMap<u64, Arc<Certificate>>> {
    let disk = host.disk;
    let logged = match wal::read(disk, wal_path) {
        Ok((logged, is_torn)) => {
            if is_torn {
                (host.tell)(Note::TornLog {
                    path: wal_path.to_owned(),
                    records: logged.len(),
                });
            }
            logged
        }
        Err(Unfit::System(error)) => return Err(error),
        Err(error) => {
            (host.tell)(Note::LogSetAside {
                path: set_aside(disk, wal_path)?,
                reason: error.to_string(),
            });
            Vec::new()
        }
    };
    let is_older = |it: &Certificate| {
        let there = disk.read(&path(dir, it.session), MOST_BYTES).ok();
        let there = there.and_then(|text| wal::whole(&text));
        let is_older = there.is_some_and(|there| stage(it) < stage(&there));
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
