//! Persistent sessions, restored at the daemon's start: `state.dir/sessions/NAME.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use onair_api::{SessionName, SessionSpec, StoppedBefore, Via, Who};
use onair_disk::{Unfit, open_folder, remove, replace, replace_all, set_aside};
use onair_mutant::mutant;

use crate::host::{Host, Writer};
use crate::note::Note;
use crate::persisted::{NextPacket, PersistedSession, ahead};
use crate::restoring::{no_longer_configured, to_restore};
use crate::unwritten::{Change, Unwritten, UnwrittenReport, WriteError};

/// Extension of a file that was set aside.
const ASIDE: &str = "corrupt";
/// Largest file that is read, in bytes; the daemon's own files have a few kilobytes.
const MOST_BYTES: u64 = 1 << 20;

/// The stored sessions, as their owner sees them. Its writer runs the jobs with [`SessionFiles`].
#[derive(Debug)]
pub struct Store<W> {
    kept: BTreeMap<SessionName, PersistedSession>,
    restored: Vec<PersistedSession>,
    /// Files that were set aside, and why; by the file that each was.
    damaged: BTreeMap<PathBuf, DamagedFile>,
    /// Sessions whose files differ from `kept`: to be written, or to be removed.
    unwritten: Arc<Unwritten<SessionName>>,
    writer: W,
    host: Host,
}

/// A file that is no session: what it was is not restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DamagedFile {
    /// Where it is now.
    pub aside: PathBuf,
    /// The fault.
    pub reason: String,
}

/// The files, as the writer's thread sees them.
#[derive(Debug)]
pub struct SessionFiles {
    host: Host,
    dir: PathBuf,
    unwritten: Arc<Unwritten<SessionName>>,
}

/// Failure to bring all files up to date before the end.
#[derive(Debug, thiserror::Error)]
pub enum NotUpToDate<E> {
    /// The writer's jobs.
    #[error(transparent)]
    Jobs(E),
    /// Files that the disk did not take.
    #[error("not up to date: the files of {} sessions ({})", .0.count, .0.detail)]
    Files(UnwrittenReport),
}

/// A job of the writer.
#[derive(Debug)]
pub enum SessionJob {
    /// Write the session's file.
    Write(Box<PersistedSession>),
    /// Remove it.
    Remove(SessionName),
}

impl<W: Writer<SessionJob>> Store<W> {
    /// Reads the files that an earlier daemon left in the folder `state`. An invalid file is set aside, and
    /// sessions of an earlier configuration are forgotten. [`Self::take_restored`] has the others, and
    /// those that are `configured`: `daemon` owns new ones. `start` starts the writer.
    ///
    /// # Errors
    /// The disk's, or that of `start`.
    pub fn open(
        host: Host,
        state: &Path,
        configured: Vec<SessionSpec>,
        daemon: &Who,
        start: impl FnOnce(SessionFiles) -> std::io::Result<W>,
    ) -> std::io::Result<Self> {
        let dir = state.join("sessions");
        open_folder(host.disk, &dir)?;
        let (mut kept, mut damaged) = (BTreeMap::new(), BTreeMap::new());
        for path in host.disk.list(&dir)? {
            if path.extension().is_some_and(|extension| extension == ASIDE) {
                let reason = "an earlier start set it aside".to_owned();
                let (was, aside) = (path.with_extension(""), path);
                damaged.entry(was).or_insert(DamagedFile { aside, reason });
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(host, &dir, &path) {
                Ok(session) => {
                    kept.insert(session.spec.name.clone(), session);
                }
                Err(error) => {
                    let (aside, reason) = (set_aside(host.disk, &path)?, error.to_string());
                    (host.tell)(Note::SessionSetAside {
                        path: aside.clone(),
                        reason: reason.clone(),
                    });
                    damaged.insert(path, DamagedFile { aside, reason });
                }
            }
        }
        let unwritten = Arc::new(Unwritten::new(host.now));
        let files = SessionFiles {
            host,
            dir,
            unwritten: Arc::clone(&unwritten),
        };
        for name in no_longer_configured(&kept, &configured) {
            kept.remove(&name);
            unwritten.begin(&name);
            files.work(&SessionJob::Remove(name.clone()));
            (host.tell)(Note::SessionNotConfigured(name));
        }
        let mut restored = to_restore(&kept, configured, daemon);
        for session in &mut restored {
            // That process may be gone, and another may have its pid.
            session.owner.pid = 0;
            let mut session = session.clone();
            session.generation = ahead(session.generation, session.generation);
            // Only this daemon goes on from there: if it is killed, no daemon knows how far it came.
            session.next_packet = None;
            kept.insert(session.spec.name.clone(), session);
        }
        // Before one of them is started.
        if !mutant!("store: a restart reaches generations that the disk does not know") {
            files.write_all(kept.values());
        }
        Ok(Self {
            kept,
            restored,
            damaged,
            unwritten,
            writer: start(files)?,
            host,
        })
    }

    /// The sessions to create at the start, in this order. The disk has that they are about to reach later
    /// generations.
    pub fn take_restored(&mut self) -> Vec<PersistedSession> {
        std::mem::take(&mut self.restored)
    }

    /// Stores a session.
    pub fn keep(&mut self, session: PersistedSession) {
        let name = session.spec.name.clone();
        self.kept.insert(name.clone(), session);
        self.bring_up_to_date(&name);
    }

    /// Records that a requester wants a session of this generation to run, or to be stopped, as
    /// `stopped` says. A session that already had to be stopped keeps its first stop. Returns whether
    /// the session is stored.
    pub fn note(
        &mut self,
        name: &SessionName,
        stopped: Option<StoppedBefore>,
        generation: u64,
    ) -> bool {
        let Some(session) = self.kept.get_mut(name) else {
            return false;
        };
        let before = session.clone();
        if session.running || stopped.is_none() {
            session.running = stopped.is_none();
            session.stopped = stopped;
        }
        // A start is of the next one.
        let generation = generation + u64::from(session.running);
        session.generation = ahead(session.generation, generation);
        if *session != before || self.unwritten.has_failed(name) {
            self.bring_up_to_date(name);
        }
        true
    }

    /// Records the addresses and the timing of a session. Returns whether the session is stored.
    pub fn retarget(&mut self, changed: &SessionSpec) -> bool {
        let name = &changed.name;
        let Some(kept) = self.kept.get_mut(name) else {
            return false;
        };
        let spec = &mut kept.spec;
        (spec.flow, spec.format) = (changed.flow.clone(), changed.format.clone());
        spec.connected.clone_from(&changed.connected);
        self.bring_up_to_date(name);
        true
    }

    /// A session of this generation is gone: it is restored after a restart if the daemon ended it, and not if
    /// a user did. A sender goes on with `next_packet`.
    pub fn end(
        &mut self,
        name: &SessionName,
        via: Via,
        generation: u64,
        next_packet: Option<NextPacket>,
    ) {
        if via != Via::Daemon {
            self.forget(name);
        } else if let Some(session) = self.kept.get_mut(name) {
            (session.generation, session.next_packet) = (generation, next_packet);
            self.bring_up_to_date(name);
        }
    }

    fn forget(&mut self, name: &SessionName) {
        if self.kept.remove(name).is_some() {
            self.bring_up_to_date(name);
        }
    }

    /// Retries failed writes whose pause is over.
    pub fn retry(&self) {
        let due = self.unwritten.due();
        due.iter().for_each(|name| self.bring_up_to_date(name));
    }

    /// Retries failed writes a last time. Returns when everything is on disk, at `deadline` at the
    /// latest.
    ///
    /// # Errors
    /// The files that are not up to date on disk.
    pub fn close(self, deadline: Instant) -> Result<(), NotUpToDate<W::NotDone>> {
        let failed = self.unwritten.failed();
        failed.iter().for_each(|name| self.bring_up_to_date(name));
        self.writer.close(deadline).map_err(NotUpToDate::Jobs)?;
        match self.unwritten.report() {
            None => Ok(()),
            Some(report) => Err(NotUpToDate::Files(report)),
        }
    }

    /// Queues the write of a session's file, or its removal if the session is not stored.
    fn bring_up_to_date(&self, name: &SessionName) {
        let job = match self.kept.get(name) {
            Some(session) => SessionJob::Write(Box::new(session.clone())),
            None => SessionJob::Remove(name.clone()),
        };
        self.unwritten.begin(name);
        if self.writer.hand_in(job).is_err() {
            (self.host.tell)(Note::WriterEnded(format!("the file of session {name}")));
            self.unwritten.end(name, &Err(WriteError::WriterEnded));
        }
    }
}

impl<W> Store<W> {
    /// Calls `then` when the file of a session is up to date (written or removed), or cannot be.
    pub fn written(
        &self,
        name: &SessionName,
        then: impl FnOnce(Result<(), WriteError>) + Send + 'static,
    ) {
        self.unwritten.written(name, Box::new(then));
    }

    /// Files that were set aside, unless a session of that name is stored again.
    pub fn damaged(&self) -> impl Iterator<Item = &DamagedFile> {
        let is_back = |was: &Path| self.kept.keys().any(|name| was.ends_with(file_name(name)));
        let damaged = self.damaged.iter().filter(move |(was, _)| !is_back(was));
        damaged.map(|(_, file)| file)
    }

    /// Sessions whose files are not up to date, or not in time; `None` if there are none.
    pub fn unwritten(&self) -> Option<UnwrittenReport> {
        self.unwritten.report()
    }
}

impl SessionFiles {
    /// Does a job. A failure is kept for the [`Store`], which hands the job in again.
    pub fn work(&self, job: &SessionJob) {
        let (name, is_removal) = match job {
            SessionJob::Write(session) => (&session.spec.name, false),
            SessionJob::Remove(name) => (name, true),
        };
        let done = match job {
            SessionJob::Write(session) => {
                let (path, bytes) = file(&self.dir, session);
                replace(self.host.disk, &path, &bytes)
            }
            SessionJob::Remove(_) => remove(self.host.disk, &path(&self.dir, name)),
        };
        self.note(name.clone(), is_removal, done.map_err(WriteError::from));
    }

    /// Writes all of them together.
    fn write_all<'a>(&self, sessions: impl Iterator<Item = &'a PersistedSession> + Clone) {
        let files: Vec<_> = sessions.clone().map(|it| file(&self.dir, it)).collect();
        let done = replace_all(self.host.disk, &self.dir, &files);
        for (session, done) in sessions.zip(done) {
            self.unwritten.begin(&session.spec.name);
            let name = session.spec.name.clone();
            self.note(name, false, done.map_err(WriteError::from));
        }
    }

    fn note(&self, name: SessionName, is_removal: bool, result: Result<(), WriteError>) {
        let done = mutant!(
            "store: what the disk refuses counts as written",
            Ok(()),
            result
        );
        match (self.unwritten.end(&name, &done), done) {
            (Change::Failed, Err(error)) => (self.host.tell)(Note::SessionFailed {
                name,
                is_removal,
                error,
            }),
            (Change::Recovered(tries), _) => {
                (self.host.tell)(Note::SessionWritten { name, tries });
            }
            _ => {}
        }
    }
}

/// Why a file is not a session of this store.
#[derive(Debug, thiserror::Error)]
enum Foreign {
    #[error(transparent)]
    Unfit(#[from] Unfit),
    #[error(transparent)]
    Form(#[from] serde_json::Error),
    #[error("it contains session {0}")]
    Other(SessionName),
}

fn read(host: Host, dir: &Path, file: &Path) -> Result<PersistedSession, Foreign> {
    let session: PersistedSession = serde_json::from_slice(&host.disk.read(file, MOST_BYTES)?)?;
    if path(dir, &session.spec.name) != file {
        return Err(Foreign::Other(session.spec.name));
    }
    Ok(session)
}

fn file(dir: &Path, session: &PersistedSession) -> (PathBuf, Vec<u8>) {
    let text = serde_json::to_vec_pretty(session).expect("maps have text keys");
    (path(dir, &session.spec.name), text)
}

fn path(dir: &Path, name: &SessionName) -> PathBuf {
    dir.join(file_name(name))
}

fn file_name(name: &SessionName) -> String {
    format!("{name}.json")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::tests::{Now, real};
    use crate::persisted::tests::{kept, who};

    fn open(dir: &Path) -> Store<Now<SessionJob>> {
        let start = |files: SessionFiles| Ok(Now::new(move |job| files.work(&job)));
        Store::open(real(), dir, Vec::new(), &who(9), start).unwrap()
    }

    #[test]
    fn file_invalid_then_set_aside_and_the_rest_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        open(dir.path()).keep(kept("good"));
        let folder = dir.path().join("sessions");
        std::fs::write(folder.join("bad.json"), "{").unwrap();
        std::fs::copy(folder.join("good.json"), folder.join("other.json")).unwrap();
        std::fs::write(folder.join("x.json.part"), "half").unwrap();
        std::fs::create_dir(folder.join("folder.json")).unwrap();
        let mut store = open(dir.path());
        assert_eq!(store.take_restored().len(), 1);
        assert!(store.damaged().any(|it| it.reason.contains("EOF")));
        for name in ["bad", "other", "folder"] {
            assert!(folder.join(format!("{name}.json.corrupt")).exists());
        }
        // They are known until there is another session of that name.
        let mut store = open(dir.path());
        assert_eq!(store.damaged().count(), 3);
        store.keep(kept("bad"));
        let aside = store.damaged().map(|it| it.aside.clone());
        let aside: Vec<_> = aside.collect();
        assert_eq!(
            aside,
            ["folder", "other"].map(|it| folder.join(format!("{it}.json.corrupt")))
        );
    }
}
