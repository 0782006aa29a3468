//! Certificates: in memory for requests, on disk for later daemons.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use onair_record::{Unfit, read_regular};
use onair_types::{
    Certificate, CertificateList, CertificateQuery, Operation, SessionId, SessionRef, Unverifiable,
};
use serde::Deserialize as _;
use serde_json::Value;

use crate::config::Retention;
use crate::disk;
use crate::shutdown::ThreadRegistry;
use crate::unwritten::{Change, Report, Unwritten, WriteAck};
use crate::worker::Worker;

/// Largest file that is read, in bytes; the daemon's own files have a tenth of it.
const MOST_OCTETS: u64 = 1 << 20;

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
    writer: Worker<Job>,
}

#[derive(Debug)]
enum Job {
    Write(Arc<Certificate>),
    Remove(SessionId),
}

impl Archive {
    /// Reads the files that an earlier daemon left in `dir` and starts the writer, one of the
    /// daemon's `threads`. An invalid file is left alone and named in the log.
    ///
    /// # Errors
    /// The directory cannot be created, or the thread cannot be started.
    pub fn open(
        dir: &Path,
        retention: Retention,
        threads: &ThreadRegistry,
    ) -> std::io::Result<Self> {
        let dir = dir.join("certificates");
        std::fs::create_dir_all(&dir)?;
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
        kept.sort_by_key(|certificate| certificate.issued_at);
        let unwritten = Arc::new(Unwritten::default());
        let own = Arc::clone(&unwritten);
        let mut archive = Self {
            sessions: kept.iter().map(|kept| kept.session).collect(),
            kept: kept.into(),
            retention,
            issued: Vec::new(),
            unwritten,
            writer: Worker::start_in_batches(threads, "archive", BATCH, move |jobs| {
                work(&dir, &own, &jobs)
            })?,
        };
        archive.trim();
        Ok(archive)
    }

    /// Stores a certificate, or the completed form of a stored one.
    pub fn keep(&mut self, certificate: Certificate) {
        let certificate = Arc::new(certificate);
        let is_new = self.sessions.insert(certificate.session);
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
    pub fn unwritten(&self) -> Option<Report> {
        self.unwritten.report(Instant::now())
    }

    /// Writes failed certificates again whose pause is over.
    pub fn retry(&self) {
        self.write_again(self.unwritten.due(Instant::now()));
    }

    /// Writes the certificates of `sessions` again, except those that are no longer stored: the
    /// writer removes their files.
    fn write_again(&self, sessions: Vec<SessionId>) {
        if sessions.is_empty() {
            return;
        }
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
            .hand_in(Job::Write(Arc::clone(certificate)))
            .is_err()
        {
            tracing::error!(%session, "the archive's writer has ended: the certificate stays in memory");
            let ended = Err("its writer has ended".to_owned());
            self.unwritten.end(&session, &ended, now);
        }
    }

    /// Number of certificates issued since the daemon started, by operation.
    pub fn issued(&self) -> impl Iterator<Item = (Operation, u64)> {
        self.issued.iter().copied()
    }

    /// The certificate of a session; a name means the last session of that name.
    pub fn find(&self, session: &SessionRef) -> Option<&Certificate> {
        let mut kept = self.kept.iter().rev().map(|kept| &**kept);
        match session {
            SessionRef::Id(id) if !self.sessions.contains(id) => None,
            SessionRef::Id(id) => kept.find(|kept| kept.session == *id),
            SessionRef::Name(name) => kept.find(|kept| kept.name == *name),
        }
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
                let _ = self.writer.hand_in(Job::Remove(oldest.session));
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
    pub fn close(self, deadline: Instant) -> Result<(), String> {
        self.write_again(self.unwritten.failed());
        self.writer.close(deadline)?;
        match self.unwritten.report(Instant::now()) {
            None => Ok(()),
            Some(Report { count, detail }) => {
                Err(format!("not on disk: {count} certificates ({detail})"))
            }
        }
    }
}

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

/// Whether a file is a part that the writer creates beside the file that it replaces.
fn is_own_part(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str());
    let id = name.and_then(|name| name.strip_suffix(".json.part"));
    let is_id = id.is_some_and(|id| id.parse::<SessionId>().is_ok());
    is_id && std::fs::symlink_metadata(file).is_ok_and(|about| about.is_file())
}

/// Reads a file of the folder. One with a wrong digest or invalid claims is kept unchanged:
/// verifying it shows the fault.
fn read(file: &Path) -> Result<Certificate, Foreign> {
    if file.extension().is_none_or(|extension| extension != "json") {
        return Err(Foreign::Name);
    }
    let document: Value = serde_json::from_slice(&read_regular(file, MOST_OCTETS)?)?;
    let found = onair_types::verify(&document)?;
    let certificate = Certificate::deserialize(&document)?;
    let session = certificate.session;
    if file.file_name() != path(Path::new(""), session).file_name() {
        return Err(Foreign::Other(session));
    }
    for check in found.checks {
        if check.outcome == onair_types::Outcome::Fails {
            tracing::warn!(
                path = %file.display(), check = check.name, reason = check.detail,
                "a certificate does not hold: `onairctl certificate verify` tells more"
            );
        }
    }
    Ok(certificate)
}

/// Runs the jobs in order, and consecutive writes together. A failed write is kept in `unwritten`;
/// it is not one of the failures counted here.
fn work(dir: &Path, unwritten: &Unwritten<SessionId>, jobs: &[Job]) -> Vec<Result<(), String>> {
    let both_write = |a: &Job, b: &Job| matches!((a, b), (Job::Write(_), Job::Write(_)));
    let done = jobs.chunk_by(both_write).flat_map(|alike| match alike {
        [Job::Remove(session)] => vec![remove(dir, unwritten, *session)],
        writes => {
            for (job, result) in writes.iter().zip(write(dir, writes)) {
                if let Job::Write(certificate) = job {
                    note(dir, unwritten, certificate, &result);
                }
            }
            vec![Ok(()); writes.len()]
        }
    });
    done.collect()
}

fn remove(dir: &Path, unwritten: &Unwritten<SessionId>, session: SessionId) -> Result<(), String> {
    unwritten.forget(&session);
    disk::remove(&path(dir, session)).map_err(|error| {
        tracing::error!(%session, %error, dir = %dir.display(), "cannot remove an old certificate");
        error.to_string()
    })
}

/// Records the result of a write, and logs what an operator must know.
fn note(
    dir: &Path,
    unwritten: &Unwritten<SessionId>,
    certificate: &Certificate,
    result: &Result<(), String>,
) {
    let (session, name) = (certificate.session, &certificate.name);
    let error = result.as_ref().err();
    match unwritten.end(&session, result, Instant::now()) {
        Change::None => {}
        Change::Failed => tracing::error!(
            %session, %name, error, dir = %dir.display(),
            "cannot write a certificate: it stays in memory, and the daemon retries until it is on disk"
        ),
        Change::Recovered(tries) => {
            tracing::info!(%session, %name, tries, "the certificate is on disk now");
        }
    }
}

/// Writes certificates; of several for one session, only the last form.
fn write(dir: &Path, jobs: &[Job]) -> Vec<Result<(), String>> {
    let certificates = jobs.iter().filter_map(|job| match job {
        Job::Write(certificate) => Some(certificate),
        Job::Remove(_) => None,
    });
    let latest: BTreeMap<u64, _> = certificates.clone().map(|it| (it.session.0, it)).collect();
    let files = latest.values().map(|&certificate| {
        let certificate: &Certificate = certificate;
        let mut text = serde_json::to_vec_pretty(certificate).expect("maps have text keys");
        text.push(b'\n');
        (path(dir, certificate.session), text)
    });
    let written = disk::replace_all(dir, &files.collect::<Vec<_>>());
    let outcomes: BTreeMap<u64, _> = latest.into_keys().zip(written).collect();
    let outcome = |certificate: &Arc<Certificate>| match &outcomes[&certificate.session.0] {
        Ok(()) => Ok(()),
        Err(error) => Err(error.to_string()),
    };
    certificates.map(outcome).collect()
}

fn path(dir: &Path, session: SessionId) -> PathBuf {
    dir.join(file_name(session))
}

/// File name of a session's certificate in the archive's folder.
pub fn file_name(session: SessionId) -> String {
    format!("{session}.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use onair_types::Timestamp;
    use serde_json::json;
    use std::time::{Duration, SystemTime};

    const FOR_EVER: Retention = Retention {
        count: 10,
        age: None,
    };

    /// A certificate of session `number`, issued `age` ago.
    fn certificate(number: u64, age: Duration) -> Certificate {
        let at = Timestamp(SystemTime::now() - age);
        let who = json!({"uid": 0, "gid": 0, "pid": 1, "command": "c", "via": "control.sock"});
        let mut certificate: Certificate = serde_json::from_value(json!({
            "format": 2, "session": format!("{number:016x}"), "name": "cam1", "generation": 1,
            "boot_id": "b", "versions": {"onaird": "0", "dpdk": "0", "kernel": "0"},
            "probe": {"mode": "off", "state": "off", "reason": null, "canary_at": null, "files": []},
            "operation": "destroy", "deadline_ms": null, "requester": who, "issued_at": at,
            "steps": [], "readings": [], "reconciled": [], "counts": {}, "frames": {},
            "memory": {"state": "pending", "bytes": 1, "held_by": []}, "disagreements": []}))
        .unwrap();
        certificate.seal();
        certificate
    }

    fn open(dir: &Path, retention: Retention) -> Archive {
        Archive::open(dir, retention, &ThreadRegistry::default()).unwrap()
    }

    fn close(archive: Archive) {
        let patience = Duration::from_secs(30);
        archive.close(Instant::now() + patience).unwrap();
    }

    fn listed(archive: &Archive) -> Vec<u64> {
        let list = archive.list(&CertificateQuery::default());
        list.certificates.iter().map(|it| it.session.0).collect()
    }

    /// Waits for the result of the last write of session `number`.
    fn written(archive: &Archive, number: u64) -> Result<(), String> {
        archive.written(SessionId(number)).blocking_recv().unwrap()
    }

    fn is_durable(archive: &Archive, number: u64) -> bool {
        let session = SessionRef::Id(SessionId(number));
        archive.present(&session).unwrap().durable
    }

    #[test]
    fn certificate_that_the_disk_does_not_take_then_kept_reported_and_written_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = open(dir.path(), FOR_EVER);
        let folder = dir.path().join("certificates");
        std::fs::remove_dir(&folder).unwrap();
        for number in [1, 2, 3] {
            archive.keep(certificate(number, Duration::ZERO));
            assert!(written(&archive, number).is_err());
            assert!(!is_durable(&archive, number));
        }
        let report = archive.unwritten().unwrap();
        assert_eq!(report.count, 3);
        assert!(
            report.detail.starts_with("0000000000000001, "),
            "{report:?}"
        );
        // One of them is completed meanwhile, another becomes too old.
        let mut completed = certificate(2, Duration::ZERO);
        completed.generation = 7;
        completed.seal();
        archive.keep(completed);
        assert!(written(&archive, 2).is_err());
        archive.retain(Retention {
            count: 2,
            age: None,
        });
        std::fs::create_dir(&folder).unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while archive.unwritten().is_some() && Instant::now() < deadline {
            archive.retry();
            std::thread::yield_now();
        }
        assert!(is_durable(&archive, 2) && is_durable(&archive, 3));
        assert_eq!(
            names(dir.path()),
            ["0000000000000002.json", "0000000000000003.json"]
        );
        close(archive);
        let archive = open(dir.path(), FOR_EVER);
        let found = archive.find(&SessionRef::Id(SessionId(2))).unwrap();
        assert_eq!(found.generation, 7);
    }

    #[test]
    fn archive_closed_with_one_that_failed_then_written_a_last_time_or_said() {
        for is_there in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let mut archive = open(dir.path(), FOR_EVER);
            let folder = dir.path().join("certificates");
            std::fs::remove_dir(&folder).unwrap();
            archive.keep(certificate(1, Duration::ZERO));
            assert!(written(&archive, 1).is_err());
            if is_there {
                std::fs::create_dir(&folder).unwrap();
            }
            let closed = archive.close(Instant::now() + Duration::from_secs(30));
            assert_eq!(closed.is_ok(), is_there, "{closed:?}");
            if let Err(said) = closed {
                assert!(
                    said.contains("not on disk: 1 certificates (0000000000000001: "),
                    "{said}"
                );
            }
        }
    }

    fn names(dir: &Path) -> Vec<String> {
        let files = std::fs::read_dir(dir.join("certificates")).unwrap();
        let mut names: Vec<_> = files
            .map(|file| file.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn archive_kept_completed_and_opened_again_then_the_last_form_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = open(dir.path(), FOR_EVER);
        archive.keep(certificate(1, Duration::from_secs(2)));
        archive.keep(certificate(2, Duration::from_secs(1)));
        let mut completed = certificate(1, Duration::from_secs(2));
        completed.generation = 7;
        completed.seal();
        archive.keep(completed);
        close(archive);
        let archive = open(dir.path(), FOR_EVER);
        assert_eq!(listed(&archive), [2, 1]);
        let found = archive.find(&SessionRef::Id(SessionId(1))).unwrap();
        assert_eq!(found.generation, 7);
        let document = serde_json::to_value(found).unwrap();
        let checks = onair_types::verify(&document).unwrap().checks;
        assert_eq!(checks[0].outcome, onair_types::Outcome::Holds, "{checks:?}");
        let by_name = SessionRef::Name("cam1".parse().unwrap());
        assert_eq!(archive.find(&by_name).unwrap().session, SessionId(2));
    }

    #[test]
    fn archive_too_many_or_too_old_then_the_oldest_go_from_the_disk_too() {
        let dir = tempfile::tempdir().unwrap();
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let mut archive = open(dir.path(), FOR_EVER);
        for (number, age) in [(1, 50), (2, 30), (3, 3), (4, 2)] {
            archive.keep(certificate(number, hours(age)));
        }
        close(archive);
        let day = Retention {
            count: 10,
            age: Some(hours(24)),
        };
        let archive = open(dir.path(), day);
        assert_eq!(listed(&archive), [4, 3]);
        close(archive);
        assert_eq!(
            names(dir.path()),
            ["0000000000000003.json", "0000000000000004.json"]
        );
        let one = Retention {
            count: 1,
            age: None,
        };
        let mut archive = open(dir.path(), one);
        assert_eq!(listed(&archive), [4]);
        archive.keep(certificate(5, hours(0)));
        assert_eq!(listed(&archive), [5]);
        close(archive);
        assert_eq!(names(dir.path()), ["0000000000000005.json"]);
    }

    #[test]
    fn archive_folder_that_cannot_be_written_then_the_end_says_how_many_are_missing() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = open(dir.path(), FOR_EVER);
        archive.keep(certificate(1, Duration::ZERO));
        // Something that no file can replace is in its place.
        std::fs::create_dir_all(dir.path().join("certificates/0000000000000002.json/x")).unwrap();
        archive.keep(certificate(2, Duration::ZERO));
        let said = archive.close(Instant::now() + Duration::from_secs(30));
        let said = said.unwrap_err();
        let expected = "not on disk: 1 certificates (0000000000000002: ";
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn archive_foreign_and_half_written_files_then_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = open(dir.path(), FOR_EVER);
        archive.keep(certificate(1, Duration::ZERO));
        close(archive);
        let folder = dir.path().join("certificates");
        let whole = std::fs::read(folder.join("0000000000000001.json")).unwrap();
        let mut later: Value = serde_json::from_slice(&whole).unwrap();
        later["format"] = json!(99);
        for (name, text) in [
            ("0000000000000002.json", &whole[..whole.len() / 2]),
            ("0000000000000003.json", &whole[..]),
            ("0000000000000004.json", later.to_string().as_bytes()),
            ("0000000000000005.part", &whole[..9]),
            ("0000000000000006.json", b""),
            ("notes.txt", b"mine"),
            ("notes.json.part", b"mine"),
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        std::fs::create_dir(folder.join("0000000000000007.json")).unwrap();
        std::os::unix::fs::symlink("notes.txt", folder.join("0000000000000008.json")).unwrap();
        let before = names(dir.path());
        // The archive's own part, left by a daemon that was killed while it wrote.
        let part = folder.join("0000000000000010.json.part");
        std::fs::write(&part, &whole[..9]).unwrap();
        let mut archive = open(dir.path(), FOR_EVER);
        assert_eq!(listed(&archive), [1]);
        archive.keep(certificate(9, Duration::ZERO));
        close(archive);
        let mut after = names(dir.path());
        after.retain(|name| name != "0000000000000009.json");
        assert_eq!(after, before);
    }
}
