//! Certificates: in memory for those who ask, on disk for those who ask later.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use onair_api::{
    Certificate, CertificateList, CertificateQuery, Operation, SessionId, SessionRef, Unverifiable,
};
use serde::Deserialize as _;
use serde_json::Value;

/// Largest file that is read; the daemon's own are a tenth of it.
const MOST_OCTETS: u64 = 1 << 20;

/// How long certificates are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// So many; the oldest go first.
    pub count: usize,
    /// So long after they were issued; `None`: for ever.
    pub age: Option<Duration>,
}

/// The certificates that are kept, and the thread that writes and removes their files.
#[derive(Debug)]
pub struct Archive {
    /// Oldest first.
    kept: VecDeque<Certificate>,
    retention: Retention,
    /// Issued since the start.
    issued: Vec<(Operation, u64)>,
    writer: Sender<Job>,
    thread: JoinHandle<()>,
}

enum Job {
    Write(Box<Certificate>),
    Remove(SessionId),
}

impl Archive {
    /// Reads what an earlier daemon left in `dir` and starts the writer. A file that does not hold
    /// is left alone, and the log names it.
    ///
    /// # Errors
    /// The directory cannot be made, or the thread not be started.
    pub fn open(dir: &Path, retention: Retention) -> std::io::Result<Self> {
        let dir = dir.join("certificates");
        std::fs::create_dir_all(&dir)?;
        let mut kept: Vec<Certificate> = Vec::new();
        for entry in std::fs::read_dir(&dir)? {
            let path = entry?.path();
            match read(&path) {
                Ok(certificate) => kept.push(certificate),
                Err(reason) => {
                    tracing::warn!(path = %path.display(), %reason, "left alone: not a certificate");
                }
            }
        }
        kept.sort_by_key(|certificate| certificate.issued_at);
        let (writer, jobs) = channel();
        let thread = std::thread::Builder::new()
            .name("archive".into())
            .spawn(move || write_all(&dir, &jobs))?;
        let mut archive = Self {
            kept: kept.into(),
            retention,
            issued: Vec::new(),
            writer,
            thread,
        };
        archive.trim();
        Ok(archive)
    }

    /// Keeps a certificate, or the completed form of one that is kept.
    pub fn keep(&mut self, certificate: Certificate) {
        let job = Job::Write(Box::new(certificate.clone()));
        if self.writer.send(job).is_err() {
            tracing::error!("the archive's writer has ended: certificates stay in memory only");
        }
        let known = self
            .kept
            .iter_mut()
            .rev()
            .find(|kept| kept.session == certificate.session);
        match known {
            Some(known) => *known = certificate,
            None => {
                let operation = certificate.operation;
                match self.issued.iter_mut().find(|(of, _)| *of == operation) {
                    Some((_, count)) => *count += 1,
                    None => self.issued.push((operation, 1)),
                }
                self.kept.push_back(certificate);
            }
        }
        self.trim();
    }

    /// How many were issued since the daemon started, by operation.
    pub fn issued(&self) -> impl Iterator<Item = (Operation, u64)> {
        self.issued.iter().copied()
    }

    /// The certificate of a session; by name, the last of that name.
    pub fn find(&self, session: &SessionRef) -> Option<&Certificate> {
        self.kept.iter().rev().find(|kept| match session {
            SessionRef::Id(id) => kept.session == *id,
            SessionRef::Name(name) => kept.name == *name,
        })
    }

    /// Those that are wanted, newest first.
    pub fn list(&self, query: &CertificateQuery) -> CertificateList {
        let wanted = self.kept.iter().rev().filter(|kept| query.wants(kept));
        CertificateList {
            certificates: wanted
                .take(query.limit.unwrap_or(usize::MAX))
                .map(Certificate::summary)
                .collect(),
        }
    }

    /// Lets go of those that are too many or too old.
    pub fn trim(&mut self) {
        let Retention { count, age } = self.retention;
        let is_old = |kept: &Certificate| age.is_some_and(|age| kept.issued_at.age() > age);
        while self.kept.len() > count || self.kept.front().is_some_and(is_old) {
            if let Some(oldest) = self.kept.pop_front() {
                // A writer that has ended was logged when something was kept.
                let _ = self.writer.send(Job::Remove(oldest.session));
            }
        }
    }

    /// Keeps by another rule from now on.
    pub fn retain(&mut self, retention: Retention) {
        self.retention = retention;
        self.trim();
    }

    /// The newest incarnation of a daemon that issued one of them; 0 without any.
    pub fn newest_incarnation(&self) -> u32 {
        let all = self.kept.iter().map(|it| it.session.incarnation());
        all.max().unwrap_or_default()
    }

    /// Returns when everything is on disk.
    pub fn close(self) {
        drop(self.writer);
        if self.thread.join().is_err() {
            tracing::error!("the archive's writer failed: certificates may be missing on disk");
        }
    }
}

/// Why a file is none of ours.
#[derive(Debug, thiserror::Error)]
enum Foreign {
    #[error("it is no regular file")]
    Kind,
    #[error("its name is not that of a certificate (ID.json)")]
    Name,
    #[error("it has {0} octets, more than any certificate")]
    Size(u64),
    #[error("it cannot be read: {0}")]
    Read(#[from] std::io::Error),
    #[error("it holds something else, or a part: {0}")]
    Form(#[from] serde_json::Error),
    #[error(transparent)]
    Format(#[from] Unverifiable),
    #[error("it holds the certificate of session {0}")]
    Other(SessionId),
}

/// A file of the folder. One whose digest or claims do not hold is kept as it is: whoever verifies
/// it is told.
fn read(file: &Path) -> Result<Certificate, Foreign> {
    let about = std::fs::symlink_metadata(file)?;
    if !about.is_file() {
        return Err(Foreign::Kind);
    }
    if file.extension().is_none_or(|extension| extension != "json") {
        return Err(Foreign::Name);
    }
    if about.len() > MOST_OCTETS {
        return Err(Foreign::Size(about.len()));
    }
    let document: Value = serde_json::from_slice(&std::fs::read(file)?)?;
    let found = onair_api::verify(&document)?;
    let certificate = Certificate::deserialize(&document)?;
    let session = certificate.session;
    if file.file_name() != path(Path::new(""), session).file_name() {
        return Err(Foreign::Other(session));
    }
    for check in found.checks {
        if check.outcome == onair_api::Outcome::Fails {
            tracing::warn!(
                path = %file.display(), check = check.name, reason = check.detail,
                "a certificate does not hold: `onairctl certificate verify` tells more"
            );
        }
    }
    Ok(certificate)
}

fn write_all(dir: &Path, jobs: &Receiver<Job>) {
    for job in jobs {
        let result = match &job {
            Job::Write(certificate) => write(dir, certificate),
            Job::Remove(session) => std::fs::remove_file(path(dir, *session)),
        };
        if let Err(error) = result {
            tracing::error!(%error, dir = %dir.display(), "cannot update the archive");
        }
    }
}

fn path(dir: &Path, session: SessionId) -> PathBuf {
    dir.join(format!("{session}.json"))
}

/// Writes beside, syncs, and renames: a reader finds the old file or the new one, never a part.
fn write(dir: &Path, certificate: &Certificate) -> std::io::Result<()> {
    let target = path(dir, certificate.session);
    let part = target.with_extension("part");
    let mut file = std::fs::File::create(&part)?;
    serde_json::to_writer_pretty(&mut file, certificate)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(&part, &target)?;
    std::fs::File::open(dir)?.sync_all()
}

#[cfg(test)]
#[expect(non_snake_case, reason = "subject__action__then_result")]
mod tests {
    use super::*;
    use onair_api::Timestamp;
    use serde_json::json;
    use std::time::SystemTime;

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

    fn listed(archive: &Archive) -> Vec<u64> {
        let list = archive.list(&CertificateQuery::default());
        list.certificates.iter().map(|it| it.session.0).collect()
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
    fn archive__kept_completed_and_opened_again__then_the_last_form_newest_first() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = Archive::open(dir.path(), FOR_EVER).unwrap();
        archive.keep(certificate(1, Duration::from_secs(2)));
        archive.keep(certificate(2, Duration::from_secs(1)));
        let mut completed = certificate(1, Duration::from_secs(2));
        completed.generation = 7;
        completed.seal();
        archive.keep(completed);
        archive.close();
        let archive = Archive::open(dir.path(), FOR_EVER).unwrap();
        assert_eq!(listed(&archive), [2, 1]);
        let found = archive.find(&SessionRef::Id(SessionId(1))).unwrap();
        assert_eq!(found.generation, 7);
        let document = serde_json::to_value(found).unwrap();
        let checks = onair_api::verify(&document).unwrap().checks;
        assert_eq!(checks[0].outcome, onair_api::Outcome::Holds, "{checks:?}");
        let by_name = SessionRef::Name("cam1".parse().unwrap());
        assert_eq!(archive.find(&by_name).unwrap().session, SessionId(2));
    }

    #[test]
    fn archive__too_many_or_too_old__then_the_oldest_go_from_the_disk_too() {
        let dir = tempfile::tempdir().unwrap();
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let mut archive = Archive::open(dir.path(), FOR_EVER).unwrap();
        for (number, age) in [(1, 50), (2, 30), (3, 3), (4, 2)] {
            archive.keep(certificate(number, hours(age)));
        }
        archive.close();
        let day = Retention {
            count: 10,
            age: Some(hours(24)),
        };
        let archive = Archive::open(dir.path(), day).unwrap();
        assert_eq!(listed(&archive), [4, 3]);
        archive.close();
        assert_eq!(
            names(dir.path()),
            ["0000000000000003.json", "0000000000000004.json"]
        );
        let one = Retention {
            count: 1,
            age: None,
        };
        let mut archive = Archive::open(dir.path(), one).unwrap();
        assert_eq!(listed(&archive), [4]);
        archive.keep(certificate(5, hours(0)));
        assert_eq!(listed(&archive), [5]);
        archive.close();
        assert_eq!(names(dir.path()), ["0000000000000005.json"]);
    }

    #[test]
    fn archive__foreign_and_half_written_files__then_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let mut archive = Archive::open(dir.path(), FOR_EVER).unwrap();
        archive.keep(certificate(1, Duration::ZERO));
        archive.close();
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
        ] {
            std::fs::write(folder.join(name), text).unwrap();
        }
        std::fs::create_dir(folder.join("0000000000000007.json")).unwrap();
        std::os::unix::fs::symlink("notes.txt", folder.join("0000000000000008.json")).unwrap();
        let before = names(dir.path());
        let mut archive = Archive::open(dir.path(), FOR_EVER).unwrap();
        assert_eq!(listed(&archive), [1]);
        archive.keep(certificate(9, Duration::ZERO));
        archive.close();
        let mut after = names(dir.path());
        after.retain(|name| name != "0000000000000009.json");
        assert_eq!(after, before);
    }
}
