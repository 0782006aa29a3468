//! Certificates: in memory for those who ask, on disk for those who ask later.

use std::collections::VecDeque;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use onair_api::{Certificate, CertificateList, SessionId, SessionRef};

/// The certificates that are kept, and the thread that writes them.
#[derive(Debug)]
pub struct Archive {
    kept: VecDeque<Certificate>,
    limit: usize,
    writer: Sender<Job>,
    thread: JoinHandle<()>,
}

enum Job {
    Write(Box<Certificate>),
    Remove(SessionId),
}

impl Archive {
    /// Reads what an earlier daemon left in `dir` and starts the writer. A file that does not hold
    /// is left alone and logged.
    ///
    /// # Errors
    /// The directory cannot be made, or the thread not be started.
    pub fn open(dir: &Path, limit: usize) -> std::io::Result<Self> {
        let dir = dir.join("certificates");
        std::fs::create_dir_all(&dir)?;
        let mut kept: Vec<Certificate> = Vec::new();
        for entry in std::fs::read_dir(&dir)?.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            let read = std::fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|bytes| serde_json::from_slice(&bytes).map_err(|e| e.to_string()));
            match read {
                Ok(certificate) => kept.push(certificate),
                Err(error) => tracing::warn!(path = %path.display(), error, "not a certificate"),
            }
        }
        kept.sort_by_key(|certificate| certificate.issued_at);
        let (writer, jobs) = channel();
        let thread = std::thread::Builder::new()
            .name("archive".into())
            .spawn(move || write_all(&dir, &jobs))?;
        let mut archive = Self {
            kept: kept.into(),
            limit: limit.max(1),
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
            .find(|kept| kept.session == certificate.session);
        match known {
            Some(known) => *known = certificate,
            None => self.kept.push_back(certificate),
        }
        self.trim();
    }

    /// The certificate of a session; by name, the last of that name.
    pub fn find(&self, session: &SessionRef) -> Option<&Certificate> {
        self.kept.iter().rev().find(|kept| match session {
            SessionRef::Id(id) => kept.session == *id,
            SessionRef::Name(name) => kept.name == *name,
        })
    }

    /// All that are kept, newest first.
    pub fn list(&self) -> CertificateList {
        CertificateList {
            certificates: self.kept.iter().rev().map(Certificate::summary).collect(),
        }
    }

    /// Returns when everything is on disk.
    pub fn close(self) {
        drop(self.writer);
        if self.thread.join().is_err() {
            tracing::error!("the archive's writer failed: certificates may be missing on disk");
        }
    }

    fn trim(&mut self) {
        while self.kept.len() > self.limit {
            if let Some(oldest) = self.kept.pop_front() {
                // A writer that has ended was logged when something was kept.
                let _ = self.writer.send(Job::Remove(oldest.session));
            }
        }
    }
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
