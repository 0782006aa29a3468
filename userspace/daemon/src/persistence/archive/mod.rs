//! Certificates: in memory for requests, on disk for later daemons.

mod files;
mod wal;

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use onair_api::{Certificate, CertificateList, CertificateQuery, Operation, SessionId, SessionRef};
use onair_workers::{JobsNotDone, ThreadRegistry, Worker};

pub use self::files::file_name;
use self::files::{Files, is_own_part, read};
use crate::config::Retention;
use crate::persistence::disk;
use crate::persistence::unwritten::{Unwritten, UnwrittenReport, WriteAck, WriteError};

/// Name of the write-ahead log in `state.dir`.
const WAL: &str = "certificates.wal";
/// Maximum number of files written at once.
const BATCH: usize = 64;

/// The stored certificates, and the thread that writes and removes their files.
#[derive(Debug)]
pub struct Archive {
    /// Oldest first.
    kept: VecDeque<Arc<Certificate>>,
    /// The sessions of all stored certificates.
    sessions: HashSet<SessionId>,
    retention: Retention,
    /// Number issued since the start, by operation.
    issued: Vec<(Operation, u64)>,
    unwritten: Arc<Unwritten<SessionId>>,
    writer: Worker<ArchiveJob>,
    /// Whether a write was handed in since the last [`ArchiveJob::Settle`].
    is_unsettled: bool,
}

/// What is not on disk at the end.
#[derive(Debug, thiserror::Error)]
pub enum NotOnDisk {
    /// The writer's jobs.
    #[error(transparent)]
    Jobs(#[from] JobsNotDone),
    /// Certificates that the disk did not take.
    #[error("not on disk: {} certificates ({})", .0.count, .0.detail)]
    Certificates(UnwrittenReport),
}

#[derive(Debug)]
enum ArchiveJob {
    Write(Arc<Certificate>),
    Remove(SessionId),
    /// Sync the files that only the write-ahead log keeps safe.
    Settle,
}

impl Archive {
    /// Reads the files that an earlier daemon left in the folder `state` and starts the writer, one of the
    /// daemon's `threads`. An invalid file is left alone and named in the log.
    ///
    /// # Errors
    /// The directory cannot be created, or the thread cannot be started.
    pub fn open(
        state: &Path,
        retention: Retention,
        threads: &ThreadRegistry,
    ) -> std::io::Result<Self> {
        let dir = state.join("certificates");
        std::fs::create_dir_all(&dir)?;
        let unwritten = Arc::new(Unwritten::default());
        let mut files = Files::open(&dir, state.join(WAL), &unwritten)?;
        let mut kept: Vec<Arc<Certificate>> = Vec::new();
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            if is_own_part(&path) {
                // A daemon was killed while it wrote the file: no answer has mentioned it.
                tracing::info!(path = %path.display(), "removed an incomplete certificate of a killed daemon");
                disk::remove(&path)?;
                continue;
            }
            match read(&path) {
                Ok(certificate) => kept.push(Arc::new(certificate)),
                Err(reason) => {
                    tracing::warn!(path = %path.display(), %reason, "ignored a file that is not a certificate");
                }
            }
        }
        // In the form of the log, whatever lies in their places.
        kept.retain(|it| files.unsynced().all(|logged| logged.session != it.session));
        kept.extend(files.unsynced().cloned());
        kept.sort_by_key(|certificate| certificate.issued_at);
        let mut archive = Self {
            sessions: kept.iter().map(|kept| kept.session).collect(),
            kept: kept.into(),
            retention,
            issued: Vec::new(),
            unwritten,
            writer: Worker::start_in_batches(threads, "archive", BATCH, move |jobs| {
                files.work(&jobs)
            })?,
            is_unsettled: false,
        };
        archive.trim();
        Ok(archive)
    }

    /// Stores a certificate, or the completed form of a stored one.
    pub fn keep(&mut self, certificate: Certificate) {
        let certificate = Arc::new(certificate);
        let is_new = self.sessions.insert(certificate.session);
        self.is_unsettled = true;
        self.write(&certificate, !is_new);
        if is_new {
            let operation = certificate.operation;
            match self.issued.iter_mut().find(|(of, _)| *of == operation) {
                Some((_, count)) => *count += 1,
                None => self.issued.push((operation, 1)),
            }
            self.kept.push_back(certificate);
        } else {
            let mut kept = self.kept.iter_mut().rev();
            let known = kept.find(|kept| kept.session == certificate.session);
            *known.expect("each of the sessions has one") = certificate;
        }
        self.trim();
    }

    /// Resolves when the certificate of `session` is on disk in its current form, or cannot be
    /// written.
    pub fn written(&self, session: SessionId) -> WriteAck {
        self.unwritten.written(&session)
    }

    /// The certificate of a session in the form of an answer, with whether it is on disk.
    pub fn present(&self, session: &SessionRef) -> Option<Certificate> {
        let mut certificate = self.find(session)?.clone();
        certificate.durable = self.unwritten.is_on_disk(&certificate.session);
        Some(certificate)
    }

    /// Certificates that the disk did not take, or not in time; `None` if there are none.
    pub fn unwritten(&self) -> Option<UnwrittenReport> {
        self.unwritten.report(Instant::now())
    }

    /// Has the files synced that only the write-ahead log keeps safe.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.is_unsettled) {
            // A writer that has ended was logged when a certificate was stored.
            let _ = self.writer.hand_in(ArchiveJob::Settle);
        }
    }

    /// Writes failed certificates again whose pause is over.
    pub fn retry(&mut self) {
        self.write_again(self.unwritten.due(Instant::now()));
    }

    /// Writes the certificates of `sessions` again, except those that are no longer stored: the
    /// writer removes their files.
    fn write_again(&mut self, sessions: Vec<SessionId>) {
        if sessions.is_empty() {
            return;
        }
        self.is_unsettled = true;
        let sessions: HashSet<SessionId> = sessions.into_iter().collect();
        let again = self.kept.iter();
        again
            .filter(|kept| sessions.contains(&kept.session))
            .for_each(|certificate| self.write(certificate, true));
    }

    fn write(&self, certificate: &Arc<Certificate>, is_known: bool) {
        let (session, now) = (certificate.session, Instant::now());
        self.unwritten.begin(&session, is_known, now);
        if self
            .writer
            .hand_in(ArchiveJob::Write(Arc::clone(certificate)))
            .is_err()
        {
            tracing::error!(%session, "the archive's writer has ended: the certificate stays in memory");
            let ended = Err(WriteError::WriterEnded);
            self.unwritten.end(&session, &ended, now);
        }
    }

    /// Number of certificates issued since the daemon started, by operation.
    pub fn issued(&self) -> impl Iterator<Item = (Operation, u64)> {
        self.issued.iter().copied()
    }

    /// The certificate of a session; a name means the last session of that name.
    pub fn find(&self, session: &SessionRef) -> Option<&Certificate> {
        if matches!(session, SessionRef::Id(id) if !self.sessions.contains(id)) {
            return None;
        }
        let mut kept = self.kept.iter().rev().map(|kept| &**kept);
        kept.find(|kept| session.names(kept.session, &kept.name))
    }

    /// The certificates that match, newest first.
    pub fn list(&self, query: &CertificateQuery) -> CertificateList {
        let all = self.kept.iter().rev().map(|kept| &**kept);
        let wanted = all.filter(|kept| query.wants(kept));
        CertificateList {
            certificates: wanted
                .take(query.limit.unwrap_or(usize::MAX))
                .map(Certificate::summary)
                .collect(),
        }
    }

    /// Removes certificates that are too many or too old.
    pub fn trim(&mut self) {
        let Retention { count, age } = self.retention;
        let is_old = |kept: &Arc<Certificate>| age.is_some_and(|age| kept.issued_at.age() > age);
        while self.kept.len() > count || self.kept.front().is_some_and(is_old) {
            if let Some(oldest) = self.kept.pop_front() {
                self.sessions.remove(&oldest.session);
                // A writer that has ended was logged when a certificate was stored.
                let _ = self.writer.hand_in(ArchiveJob::Remove(oldest.session));
            }
        }
    }

    /// Changes the retention rules.
    pub fn retain(&mut self, retention: Retention) {
        self.retention = retention;
        self.trim();
    }

    /// The newest incarnation of a daemon that issued one of them; 0 without any.
    pub fn newest_incarnation(&self) -> u32 {
        let all = self.kept.iter().map(|it| it.session.incarnation());
        all.max().unwrap_or_default()
    }

    /// Writes the failed ones a last time. Returns when everything is on disk, at `deadline` at the
    /// latest.
    ///
    /// # Errors
    /// What is not on disk.
    pub fn close(mut self, deadline: Instant) -> Result<(), NotOnDisk> {
        self.write_again(self.unwritten.failed());
        self.settle();
        self.writer.close(deadline)?;
        match self.unwritten.report(Instant::now()) {
            None => Ok(()),
            Some(report) => Err(NotOnDisk::Certificates(report)),
        }
    }
}

#[cfg(test)]
mod log_tests;
#[cfg(test)]
mod tests;
