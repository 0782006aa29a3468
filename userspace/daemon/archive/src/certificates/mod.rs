//! Certificates: in memory for requests, on disk for later daemons.

mod files;
mod unread;
mod wal;

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use onair_api::{Certificate, CertificateList, CertificateQuery, Operation, SessionId, SessionRef};

pub use self::files::{CertificateFiles, CertificateJob};
pub use self::unread::{Unread, file_name};
use crate::host::{Host, Writer};
use crate::note::Note;
use crate::room::{CertificateClass, Room, RoomUse};
use crate::unwritten::{Unwritten, UnwrittenReport, WriteError};

/// Size of the write-ahead log, in bytes.
pub const LOG_BYTES: usize = wal::MOST_BYTES;
/// Maximum number of jobs to do at once.
pub const BATCH: usize = 64;

/// Retention rules for certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Maximum number of each kind; of the user with the most, the oldest one is removed first.
    pub count: usize,
    /// Maximum age since they were issued; `None`: no limit.
    pub age: Option<Duration>,
}

/// The stored certificates, as their owner sees them. Its writer runs the jobs with [`CertificateFiles`].
#[derive(Debug)]
pub struct Archive<W> {
    /// Oldest first.
    kept: VecDeque<Arc<Certificate>>,
    /// While files are [`Unread`]: how many of `kept` are of earlier daemons.
    earlier: Option<usize>,
    /// The newest incarnation of a daemon before this one; 0 without any.
    newest_incarnation: u32,
    /// The sessions of all stored certificates.
    sessions: HashSet<SessionId>,
    room: Room,
    /// Kinds that became nearly full, until they are taken.
    fills: Vec<RoomUse>,
    retention: Retention,
    /// Number issued since the start, by operation.
    issued: Vec<(Operation, u64)>,
    unwritten: Arc<Unwritten<SessionId>>,
    writer: W,
    host: Host,
    /// Whether a write was handed in since the last [`CertificateJob::Settle`].
    is_unsettled: bool,
}

/// Failure to write all certificates before the end.
#[derive(Debug, thiserror::Error)]
pub enum NotOnDisk<E> {
    /// The writer's jobs.
    #[error(transparent)]
    Jobs(E),
    /// Certificates that the disk did not take.
    #[error("not on disk: {} certificates ({})", .0.count, .0.detail)]
    Certificates(UnwrittenReport),
}

impl<W: Writer<CertificateJob>> Archive<W> {
    /// Opens what an earlier daemon left in the folder `state`, with a write-ahead log of `log_bytes`, [`LOG_BYTES`] at
    /// most: what is in the log is written, and a new one begun. `start` starts the writer.
    /// Until [`Self::take_in`] has what is [`Unread`], the archive lacks it, and removes none.
    ///
    /// # Errors
    /// The disk's, or that of `start`.
    pub fn open(
        host: Host,
        state: &Path,
        log_bytes: usize,
        retention: Retention,
        start: impl FnOnce(CertificateFiles) -> std::io::Result<W>,
    ) -> std::io::Result<(Self, Unread)> {
        let unwritten = Arc::new(Unwritten::new(host.now));
        let (files, logged, unread) = CertificateFiles::open(host, state, log_bytes, &unwritten)?;
        let incarnations = logged.iter().map(|it| it.session.incarnation());
        let mut archive = Self {
            newest_incarnation: incarnations.fold(unread.newest_incarnation(), u32::max),
            earlier: Some(0),
            room: Room::default(),
            fills: Vec::new(),
            sessions: HashSet::new(),
            kept: VecDeque::new(),
            retention,
            issued: Vec::new(),
            unwritten,
            writer: start(files)?,
            host,
            is_unsettled: false,
        };
        archive.add_earlier(logged);
        Ok((archive, unread))
    }

    /// Takes in what was [`Unread`].
    pub fn take_in(&mut self, read: Vec<Arc<Certificate>>) {
        self.add_earlier(read);
        self.earlier = None;
        self.trim();
    }

    /// Whether it has what was [`Unread`].
    pub fn is_read(&self) -> bool {
        self.earlier.is_none()
    }

    /// Adds certificates of earlier daemons, before those of this one.
    fn add_earlier(&mut self, certificates: Vec<Arc<Certificate>>) {
        let own = self.kept.split_off(self.earlier.unwrap_or_default());
        for it in certificates {
            if self.sessions.insert(it.session) {
                self.room.add(CertificateClass::of(&it));
                self.kept.push_back(it);
            }
        }
        let earlier = self.kept.make_contiguous();
        earlier.sort_by_key(|certificate| certificate.issued_at);
        self.earlier = Some(earlier.len());
        self.kept.extend(own);
    }

    /// Stores a certificate, or the completed form of a stored one.
    pub fn keep(&mut self, certificate: Certificate) {
        let certificate = Arc::new(certificate);
        let is_new = self.sessions.insert(certificate.session);
        self.is_unsettled = true;
        self.write(&certificate);
        self.room.add(CertificateClass::of(&certificate));
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
            let known = known.expect("each of the sessions has one");
            self.room.remove(CertificateClass::of(known));
            *known = certificate;
        }
        self.trim();
    }

    /// Has the files synced that only the write-ahead log keeps safe.
    pub fn settle(&mut self) {
        if std::mem::take(&mut self.is_unsettled) {
            // A writer that has ended was logged when a certificate was stored.
            let _ = self.writer.hand_in(CertificateJob::Settle);
        }
    }

    /// Writes failed certificates again whose pause is over.
    pub fn retry(&mut self) {
        self.write_again(self.unwritten.due());
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
            .for_each(|certificate| self.write(certificate));
    }

    fn write(&self, certificate: &Arc<Certificate>) {
        let session = certificate.session;
        self.unwritten.begin(&session);
        let job = CertificateJob::Write(Arc::clone(certificate));
        if self.writer.hand_in(job).is_err() {
            (self.host.tell)(Note::WriterEnded(format!("the certificate of {session}")));
            self.unwritten.end(&session, &Err(WriteError::WriterEnded));
        }
    }

    /// Removes certificates that are too many or too old.
    pub fn trim(&mut self) {
        if self.earlier.is_some() {
            return;
        }
        let Retention { count, age } = self.retention;
        let is_old = |kept: &Arc<Certificate>| age.is_some_and(|age| kept.issued_at.age() > age);
        while self.kept.front().is_some_and(is_old) {
            self.remove(0);
        }
        for it in self.room.fills(count) {
            (self.host.tell)(Note::ArchiveFills(it));
            self.fills.push(it);
        }
        while let Some(fullest) = self.room.fullest(count) {
            let mut kept = self.kept.iter();
            let Some(oldest) = kept.position(|it| CertificateClass::of(it) == fullest) else {
                break;
            };
            self.remove(oldest);
        }
    }

    fn remove(&mut self, at: usize) {
        if let Some(old) = self.kept.remove(at) {
            self.sessions.remove(&old.session);
            self.room.remove(CertificateClass::of(&old));
            // A writer that has ended was logged when a certificate was stored.
            let _ = self.writer.hand_in(CertificateJob::Remove(old.session));
        }
    }

    /// The places for certificates of each kind.
    pub fn uses(&self) -> [RoomUse; 2] {
        self.room.uses(self.retention.count)
    }

    /// Changes the retention rules.
    pub fn retain(&mut self, retention: Retention) {
        self.retention = retention;
        self.trim();
    }

    /// Writes the failed ones a last time. Returns when everything is on disk, at `deadline` at the
    /// latest.
    ///
    /// # Errors
    /// The certificates that are not on disk.
    pub fn close(mut self, deadline: Instant) -> Result<(), NotOnDisk<W::NotDone>> {
        self.write_again(self.unwritten.failed());
        self.settle();
        self.writer.close(deadline).map_err(NotOnDisk::Jobs)?;
        match self.unwritten.report() {
            None => Ok(()),
            Some(report) => Err(NotOnDisk::Certificates(report)),
        }
    }
}

impl<W> Archive<W> {
    /// Calls `then` when the certificate of `session` is on disk in its current form, or cannot be
    /// written.
    pub fn written(
        &self,
        session: SessionId,
        then: impl FnOnce(Result<(), WriteError>) + Send + 'static,
    ) {
        self.unwritten.written(&session, Box::new(then));
    }

    /// The certificate of a session in the form of an answer, with whether it is on disk in this form.
    pub fn present(&self, session: &SessionRef) -> Option<Certificate> {
        let mut certificate = self.find(session)?.clone();
        certificate.durable = self.unwritten.is_written(&certificate.session);
        Some(certificate)
    }

    /// Kinds whose places became nearly full since the last call: soon the oldest ones are removed.
    pub fn take_fills(&mut self) -> Vec<RoomUse> {
        std::mem::take(&mut self.fills)
    }

    /// Certificates that the disk did not take, or not in time; `None` if there are none.
    pub fn unwritten(&self) -> Option<UnwrittenReport> {
        self.unwritten.report()
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

    /// The newest incarnation of a daemon before this one, by the certificates in `state`; 0 without any.
    pub fn newest_incarnation(&self) -> u32 {
        self.newest_incarnation
    }
}

#[cfg(test)]
mod tests;
