//! Persistent sessions, restored at the daemon's start: `state.dir/sessions/NAME.json`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use onair_api::{SessionName, SessionSpec, StoppedBefore, Who};
use onair_record::{Unfit, read_regular};
use onair_workers::{JobsNotDone, ThreadRegistry, Worker};
use serde::{Deserialize, Serialize};

use crate::persistence::disk;
use crate::persistence::unwritten::{Change, Unwritten, UnwrittenReport, WriteAck, WriteError};

/// Starts that are stored in advance, so that a start need not wait for the disk.
const AHEAD: u64 = 256;
/// Largest file that is read, in bytes; the daemon's own files have a few kilobytes.
const MOST_BYTES: u64 = 1 << 20;

/// A session as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersistedSession {
    /// The specification it is created from.
    pub spec: SessionSpec,
    /// The user that created it.
    pub owner: Who,
    /// It is in the configuration: it is removed when it no longer is.
    pub configured: bool,
    /// It must run; else it is stopped.
    pub running: bool,
    /// The last requested stop of a session that must be stopped. Absent in files of daemons that
    /// did not store it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StoppedBefore>,
    /// The highest generation that it may have reached. It continues from there.
    pub generation: u64,
}

/// The stored sessions, and the thread that writes them.
#[derive(Debug)]
pub struct Store {
    kept: BTreeMap<SessionName, PersistedSession>,
    /// Sessions whose files differ from `kept`: to be written, or to be removed.
    unwritten: Arc<Unwritten<SessionName>>,
    writer: Worker<StoreJob>,
}

/// What is not up to date on disk at the end.
#[derive(Debug, thiserror::Error)]
pub enum NotUpToDate {
    /// The writer's jobs.
    #[error(transparent)]
    Jobs(#[from] JobsNotDone),
    /// Files that the disk did not take.
    #[error("not up to date: the files of {} sessions ({})", .0.count, .0.detail)]
    Files(UnwrittenReport),
}

#[derive(Debug)]
enum StoreJob {
    Write(Box<PersistedSession>),
    Remove(SessionName),
}

impl Store {
    /// Reads the files that an earlier daemon left in `dir` and starts the writer, one of the
    /// daemon's `threads`. An invalid file is set aside and named in the log.
    ///
    /// # Errors
    /// The directory cannot be created, or the thread cannot be started.
    pub fn open(dir: &Path, threads: &ThreadRegistry) -> std::io::Result<Self> {
        let dir = dir.join("sessions");
        std::fs::create_dir_all(&dir)?;
        let mut kept = BTreeMap::new();
        for entry in std::fs::read_dir(&dir)?.flatten() {
            let path = entry.path();
            if path.extension().is_none_or(|extension| extension != "json") {
                continue;
            }
            match read(&dir, &path) {
                Ok(session) => {
                    kept.insert(session.spec.name.clone(), session);
                }
                Err(error) => {
                    let aside = disk::set_aside(&path)?;
                    tracing::error!(path = %aside.display(), %error, "set aside a file that is not a session");
                }
            }
        }
        let unwritten = Arc::new(Unwritten::default());
        let own = Arc::clone(&unwritten);
        let writer = Worker::start(threads, "store", move |job| {
            work(&dir, &own, &job);
            // A failure is kept in `unwritten`.
            Ok(())
        })?;
        Ok(Self {
            kept,
            unwritten,
            writer,
        })
    }

    /// All stored sessions, by name.
    pub fn all(&self) -> impl Iterator<Item = &PersistedSession> {
        self.kept.values()
    }

    /// Stores a session.
    pub fn keep(&mut self, session: PersistedSession) -> WriteAck {
        let name = session.spec.name.clone();
        self.kept.insert(name.clone(), session);
        self.bring_up_to_date(&name);
        self.written(&name)
    }

    /// Records that a requester wants a session to run, for the `generation`th time, or to be
    /// stopped, as `stopped` says. A session that already had to be stopped keeps its first stop.
    /// `None` if there is nothing to write.
    pub fn note(
        &mut self,
        name: &SessionName,
        stopped: Option<StoppedBefore>,
        generation: u64,
    ) -> Option<WriteAck> {
        let session = self.kept.get_mut(name)?;
        let before = session.clone();
        if session.running || stopped.is_none() {
            session.running = stopped.is_none();
            session.stopped = stopped;
        }
        session.generation = ahead(session.generation, generation);
        if *session == before && self.unwritten.is_written(name) {
            return None;
        }
        if *session != before || self.unwritten.has_failed(name) {
            self.bring_up_to_date(name);
        }
        Some(self.written(name))
    }

    /// Records the generation that a session has reached, for the last time: the daemon exits.
    pub fn settle(&mut self, name: &SessionName, generation: u64) {
        if let Some(session) = self.kept.get_mut(name) {
            session.generation = generation;
            self.bring_up_to_date(name);
        }
    }

    /// Records the addresses and the timing of a session. `None` if it is not stored.
    pub fn retarget(&mut self, changed: &SessionSpec) -> Option<WriteAck> {
        let name = &changed.name;
        let spec = &mut self.kept.get_mut(name)?.spec;
        (spec.flow, spec.format) = (changed.flow.clone(), changed.format.clone());
        self.bring_up_to_date(name);
        Some(self.written(name))
    }

    /// Removes a session.
    pub fn forget(&mut self, name: &SessionName) {
        if self.kept.remove(name).is_some() {
            self.bring_up_to_date(name);
        }
    }

    /// Resolves when the file of a session is up to date (written or removed), or cannot be.
    pub fn written(&self, name: &SessionName) -> WriteAck {
        self.unwritten.written(name)
    }

    /// Sessions whose files are not up to date, or not in time; `None` if there are none.
    pub fn unwritten(&self) -> Option<UnwrittenReport> {
        self.unwritten.report(Instant::now())
    }

    /// Retries failed writes whose pause is over.
    pub fn retry(&self) {
        let due = self.unwritten.due(Instant::now());
        due.iter().for_each(|name| self.bring_up_to_date(name));
    }

    /// Retries failed writes a last time. Returns when everything is on disk, at `deadline` at the
    /// latest.
    ///
    /// # Errors
    /// What is not on disk.
    pub fn close(self, deadline: Instant) -> Result<(), NotUpToDate> {
        let failed = self.unwritten.failed();
        failed.iter().for_each(|name| self.bring_up_to_date(name));
        self.writer.close(deadline)?;
        match self.unwritten.report(Instant::now()) {
            None => Ok(()),
            Some(report) => Err(NotUpToDate::Files(report)),
        }
    }

    /// Queues the write of a session's file, or its removal if the session is not stored.
    fn bring_up_to_date(&self, name: &SessionName) {
        let now = Instant::now();
        let job = match self.kept.get(name) {
            Some(session) => StoreJob::Write(Box::new(session.clone())),
            None => StoreJob::Remove(name.clone()),
        };
        self.unwritten.begin(name, true, now);
        if self.writer.hand_in(job).is_err() {
            tracing::error!(%name, "the writer of sessions has ended: the session's state is not stored");
            let ended = Err(WriteError::WriterEnded);
            self.unwritten.end(name, &ended, now);
        }
    }
}

/// The generation to store for a session that has reached `generation`, if `written` is stored.
pub fn ahead(written: u64, generation: u64) -> u64 {
    if generation.saturating_add(AHEAD / 2) < written {
        return written;
    }
    generation.saturating_add(AHEAD)
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

fn read(dir: &Path, file: &Path) -> Result<PersistedSession, Foreign> {
    let session: PersistedSession = serde_json::from_slice(&read_regular(file, MOST_BYTES)?)?;
    if path(dir, &session.spec.name) != file {
        return Err(Foreign::Other(session.spec.name));
    }
    Ok(session)
}

fn work(dir: &Path, unwritten: &Unwritten<SessionName>, job: &StoreJob) {
    let (name, what) = match job {
        StoreJob::Write(session) => (&session.spec.name, "write"),
        StoreJob::Remove(name) => (name, "remove"),
    };
    let done = match job {
        StoreJob::Write(session) => serde_json::to_vec_pretty(session)
            .map_err(Into::into)
            .and_then(|bytes| disk::replace(&path(dir, name), &bytes)),
        StoreJob::Remove(name) => disk::remove(&path(dir, name)),
    };
    let done = done.map_err(WriteError::from);
    let error = done.as_ref().err().map(tracing::field::display);
    match unwritten.end(name, &done, Instant::now()) {
        Change::None => {}
        Change::Failed => tracing::error!(
            %name, error, dir = %dir.display(),
            "cannot {what} the file of a session: the daemon retries until it succeeds"
        ),
        Change::Recovered(tries) => {
            tracing::info!(%name, tries, "the file of the session is up to date now");
        }
    }
}

fn path(dir: &Path, name: &SessionName) -> PathBuf {
    dir.join(format!("{name}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Store {
        Store::open(dir, &ThreadRegistry::default()).unwrap()
    }

    fn close(store: Store) {
        let timeout = std::time::Duration::from_secs(30);
        store.close(Instant::now() + timeout).unwrap();
    }

    fn kept(name: &str) -> PersistedSession {
        let spec = serde_json::json!({
            "name": name, "direction": "receive", "port": "a", "persistent": true,
            "video": {"width": 64, "height": 32, "frame_rate": "60/1", "depth": 8},
            "flow": {"destination": "10.0.0.1:5004"},
        });
        let owner = serde_json::json!({
            "uid": 0, "gid": 0, "pid": 1, "command": "t", "via": "control.sock",
        });
        PersistedSession {
            spec: serde_json::from_value(spec).unwrap(),
            owner: serde_json::from_value(owner).unwrap(),
            configured: false,
            running: true,
            stopped: None,
            generation: 7,
        }
    }

    fn stopped(session: u64) -> Option<StoppedBefore> {
        Some(StoppedBefore {
            at: onair_api::Timestamp(std::time::UNIX_EPOCH),
            session: onair_api::SessionId(session),
            boot_id: "b007".to_owned(),
        })
    }

    #[test]
    fn session_kept_noted_forgotten_then_the_same_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let (a, b) = (kept("a"), kept("b"));
        store.keep(a.clone()).blocking_recv().unwrap().unwrap();
        store.keep(b.clone()).blocking_recv().unwrap().unwrap();
        let first = stopped(1);
        let written = store.note(&a.spec.name, first.clone(), 8);
        written.unwrap().blocking_recv().unwrap().unwrap();
        assert!(store.note(&a.spec.name, stopped(2), 8).is_none());
        store.forget(&b.spec.name);
        assert!(store.note(&b.spec.name, None, 9).is_none());
        close(store);

        let mut store = open(dir.path());
        let all: Vec<_> = store.all().cloned().collect();
        let [only] = &all[..] else { panic!("{all:?}") };
        assert!(!only.running && only.generation >= 8, "{only:?}");
        assert_eq!((&only.spec, &only.stopped), (&a.spec, &first));
        store.settle(&a.spec.name, 9);
        close(store);
        let store = open(dir.path());
        assert_eq!(store.all().next().unwrap().generation, 9);
        close(store);
    }

    #[test]
    fn session_the_disk_refuses_then_reported_and_written_on_demand() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let a = kept("a");
        let folder = dir.path().join("sessions");
        std::fs::remove_dir(&folder).unwrap();
        assert!(store.keep(a.clone()).blocking_recv().unwrap().is_err());
        let stop = |store: &mut Store| {
            let written = store.note(&a.spec.name, stopped(1), 7).unwrap();
            written.blocking_recv().unwrap()
        };
        assert!(stop(&mut store).is_err());
        std::fs::create_dir(&folder).unwrap();
        stop(&mut store).unwrap();
        drop(store);
        let store = open(dir.path());
        assert!(!store.all().next().unwrap().running);
        close(store);
    }

    #[test]
    fn session_file_not_removable_then_reported_and_removed_later() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        let a = kept("a");
        store.keep(a.clone()).blocking_recv().unwrap().unwrap();
        let file = dir.path().join("sessions/a.json");
        // A folder in its place is not a file that can be removed.
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        store.forget(&a.spec.name);
        assert!(
            store
                .written(&a.spec.name)
                .blocking_recv()
                .unwrap()
                .is_err()
        );
        let report = store.unwritten().unwrap();
        assert!(
            report.count == 1 && report.detail.starts_with("a: "),
            "{report:?}"
        );
        std::fs::remove_dir(&file).unwrap();
        std::fs::write(&file, b"as it was").unwrap();
        close(store);
        assert!(!file.exists(), "the last try is at the end");
    }

    #[test]
    fn generation_at_every_start_then_what_is_on_disk_is_not_below() {
        let mut written = 0;
        let mut writes = 0;
        for generation in 1..=2000 {
            let now = ahead(written, generation);
            // The generation in use was stored before the start that uses it.
            assert!(generation == 1 || generation <= written);
            writes += u32::from(now != written);
            written = now;
        }
        assert!(writes < 20, "{writes}");
    }

    #[test]
    fn file_invalid_then_set_aside_and_the_rest_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open(dir.path());
        store.keep(kept("good")).blocking_recv().unwrap().unwrap();
        close(store);
        let folder = dir.path().join("sessions");
        std::fs::write(folder.join("bad.json"), "{").unwrap();
        std::fs::copy(folder.join("good.json"), folder.join("other.json")).unwrap();
        std::fs::write(folder.join("x.json.part"), "half").unwrap();
        // Opening it for reading would wait for a writer.
        let (fifo, mode) = (rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR);
        rustix::fs::mknodat(rustix::fs::CWD, folder.join("fifo.json"), fifo, mode, 0).unwrap();
        let store = open(dir.path());
        assert_eq!(store.all().count(), 1);
        assert!(folder.join("bad.json.corrupt").exists());
        assert!(folder.join("other.json.corrupt").exists());
        assert!(folder.join("fifo.json.corrupt").symlink_metadata().is_ok());
        close(store);
    }
}
