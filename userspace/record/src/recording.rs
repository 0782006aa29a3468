//! A recording, as whoever started it holds it.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::books::{Counts, ProducerCounts, ProducerTotals};
use crate::drain::Drain;
use crate::error::{FinishError, FlushError, RecordError};
use crate::files::{Files, Folder, ManifestFile, Summer, Syncer, first_part};
use crate::gate::Door;
use crate::manifest::{Cause, FileReport, Manifest, Time};
use crate::producer::Producer;
use crate::ring::ring;
use crate::shared::{Shared, lock};
use crate::spec::Spec;

/// The disk is called slow when the drain thread has waited for it so long.
const SLOW: Duration = Duration::from_secs(1);

/// How a recording is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// All is well.
    Recording,
    /// It runs, and does not record now, or not all: [`Status::reason`] says why.
    Degraded,
    /// It accepts nothing more, and what was accepted is being written.
    Finishing,
    /// It has ended.
    Ended,
}

impl State {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recording => "recording",
            Self::Degraded => "degraded",
            Self::Finishing => "finishing",
            Self::Ended => "ended",
        }
    }
}

/// A recording at one time.
#[derive(Clone, Debug)]
pub struct Status {
    /// How it is.
    pub state: State,
    /// Why it is degraded, in plain words.
    pub reason: Option<String>,
    /// What ended it.
    pub cause: Option<Cause>,
    /// When it began.
    pub started_at: Time,
    /// Its files so far.
    pub files: Vec<FileReport>,
    /// Bytes of these, with those that wait to be written.
    pub bytes: u64,
    /// The books of all producers together.
    pub totals: Counts,
    /// Those of each.
    pub producers: Vec<ProducerCounts>,
    /// What went wrong on the way.
    pub problems: Vec<String>,
}

/// What a flush came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flushed {
    /// Events that had been accepted when the drain thread heard of the flush.
    pub accepted: u64,
    /// Bytes that waited in the rings then.
    pub in_rings: u64,
    /// Events that are written now.
    pub written: u64,
    /// Events that are lost.
    pub lost: u64,
    /// Video: packets of a frame that is not whole yet.
    pub under_way: u64,
    /// How long the drain thread took.
    pub took: Duration,
}

/// A running recording. Dropping it ends it, without waiting for that.
#[derive(Debug)]
pub struct Recording {
    spec: Spec,
    folder: PathBuf,
    started_at: Time,
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// Called by the drain thread when the state changes: it must not block, and not ask the recording
/// for anything that waits.
pub type Listener = Box<dyn Fn(State, Option<&str>) + Send>;

impl Recording {
    /// Starts one: its first file and its manifest are there when this returns.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn start(spec: Spec) -> Result<Self, RecordError> {
        Self::start_with(spec, Box::new(|_, _| {}))
    }

    /// [`Self::start`], and `listener` is told of each change of the state.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn start_with(spec: Spec, listener: Listener) -> Result<Self, RecordError> {
        spec.check()?;
        let stem = spec.name.as_str();
        let folder = Folder::new(
            &spec.folder,
            stem,
            spec.format.kind().extension(),
            spec.is_split(),
            spec.min_free_bytes,
        );
        let create = |path: PathBuf| move |source| RecordError::Create { path, source };
        folder.make().map_err(create(spec.folder.clone()))?;
        let free = folder.free().map_err(create(spec.folder.clone()))?;
        if free < spec.min_free_bytes {
            return Err(RecordError::Full {
                folder: spec.folder.clone(),
                free,
                wanted: spec.min_free_bytes,
            });
        }
        let summer = Summer::start(stem).map_err(RecordError::Thread)?;
        let shared = Arc::new(Shared::new());
        let started_at = Time::now();
        let first = crate::drain::first_manifest(&spec, started_at);
        let manifest_path = folder.file(&ManifestFile::name_of(stem));
        let manifest_file =
            ManifestFile::claim(&folder, stem, &first).map_err(|error| match error.kind() {
                std::io::ErrorKind::AlreadyExists => RecordError::Exists(manifest_path.clone()),
                _ => RecordError::Create {
                    path: manifest_path,
                    source: error,
                },
            })?;
        let part = match take_first(&folder, spec.format.video().is_some()) {
            Ok(part) => part,
            Err(error) => {
                manifest_file.abandon();
                return Err(error);
            }
        };
        let syncer = Syncer::start(stem, folder.clone(), manifest_file, Arc::clone(&shared));
        let syncer = syncer.map_err(RecordError::Thread)?;
        let files = Files::new(&spec, folder, part, (summer, syncer));
        let drain = Drain::new(&spec, started_at, Arc::clone(&shared), files, listener);
        let thread = thread::Builder::new()
            .name(format!("rec-{stem}"))
            .spawn(move || drain.run())
            .map_err(RecordError::Thread)?;
        shared.is_drained_by(thread.thread().clone());
        Ok(Self {
            folder: spec.folder.clone(),
            spec,
            started_at,
            shared,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// What was asked for.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Where its manifest will be.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.folder
            .join(ManifestFile::name_of(self.spec.name.as_str()))
    }

    /// Another producer, called `name` in files and manifest. Its ring is made here: this allocates.
    ///
    /// # Errors
    /// [`RecordError::Ended`].
    pub fn producer(&self, name: &str) -> Result<Producer, RecordError> {
        if self.shared.gate.door() == Door::Closed {
            return Err(RecordError::Ended);
        }
        let account = Arc::new(ProducerTotals::new(name));
        let (writer, reader) = ring(self.spec.ring_bytes);
        self.shared.join(Arc::clone(&account), reader);
        let snap_length = usize::try_from(self.spec.snap_length).unwrap_or(usize::MAX);
        let gate = Arc::clone(&self.shared.gate);
        Ok(Producer::new(gate, account, writer, snap_length))
    }

    /// How it is now. It waits for nothing.
    #[must_use]
    pub fn status(&self) -> Status {
        let accounts = lock(&self.shared.accounts);
        let producers: Vec<_> = accounts.iter().map(|it| it.report()).collect();
        drop(accounts);
        let mut totals = Counts::default();
        producers.iter().for_each(|it| totals.add(&it.counts));
        let progress = self.shared.progress();
        let slow = self.shared.busy_for().filter(|it| *it >= SLOW);
        let slow = slow.map(|it| format!("the disk has not answered for {} s", it.as_secs()));
        let reason = progress.fault.clone().or(slow);
        let state = if progress.ended.is_some() {
            State::Ended
        } else if self.shared.gate.door() == Door::Closed {
            State::Finishing
        } else if reason.is_some() {
            State::Degraded
        } else {
            State::Recording
        };
        Status {
            state,
            reason: reason.filter(|_| state != State::Ended),
            cause: progress.cause,
            started_at: self.started_at,
            files: progress.files.clone(),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            totals,
            producers,
            problems: progress.problems.clone(),
        }
    }

    /// The cut: from here on every offer is turned away and counted. It does not block. What was
    /// accepted is written; [`Self::finish`] ends the recording.
    pub fn stop_accepting(&self) {
        self.shared.gate.close();
        self.shared.wake();
    }

    /// Waits until all that was accepted before this call is in a file (handed to the system: not
    /// until it is on disk), and says so only if the books agree.
    ///
    /// # Errors
    /// [`FlushError`].
    pub fn flush(&self, deadline: Instant) -> Result<Flushed, FlushError> {
        let begun = Instant::now();
        let number = self.shared.request_flush();
        let progress = self
            .shared
            .wait(deadline, |it| it.flushed >= number || it.ended.is_some());
        if progress.flushed >= number
            && let Some(flushed) = &progress.last_flush
        {
            return Ok(flushed.clone());
        }
        if let Some(ended) = &progress.ended {
            let manifest = ended.as_ref().ok().cloned().map(Box::new);
            return Err(FlushError::Ended(manifest));
        }
        let doing = self.doing(&progress.fault);
        drop(progress);
        Err(FlushError::Late {
            waited: begun.elapsed(),
            doing,
            pending: self.status().totals.pending,
        })
    }

    /// Ends it for `cause`, unless it is ending already: the cut, all that was accepted into files,
    /// these on disk and under their names, the manifest.
    ///
    /// # Errors
    /// [`FinishError`]. After [`FinishError::Late`] it goes on: ask again, or drop it.
    pub fn finish(&self, cause: Cause, deadline: Instant) -> Result<Manifest, FinishError> {
        let begun = Instant::now();
        self.shared.begin_end(cause);
        let progress = self.shared.wait(deadline, |it| it.ended.is_some());
        match &progress.ended {
            Some(ended) => {
                let result = ended.clone().map_err(FinishError::Panicked);
                drop(progress);
                let thread = lock(&self.thread).take();
                if let Some(thread) = thread {
                    // It has told its outcome, a panic, too, and does nothing more.
                    let _ = thread.join();
                }
                result
            }
            None => {
                let doing = self.doing(&progress.fault);
                drop(progress);
                Err(FinishError::Late {
                    waited: begun.elapsed(),
                    doing,
                    pending: self.status().totals.pending,
                })
            }
        }
    }

    /// Waits until it has ended by itself, or was ended; `None` at the deadline.
    #[must_use]
    pub fn wait_ended(&self, deadline: Instant) -> Option<Result<Manifest, FinishError>> {
        let progress = self.shared.wait(deadline, |it| it.ended.is_some());
        let ended = progress.ended.clone()?;
        Some(ended.map_err(FinishError::Panicked))
    }

    fn doing(&self, fault: &Option<String>) -> String {
        match (fault, self.shared.busy_for()) {
            (Some(fault), _) => fault.clone(),
            (None, Some(busy)) => format!("it has been waiting for the disk for {busy:?}"),
            (None, None) => "it is under way".to_owned(),
        }
    }
}

fn take_first(folder: &Folder, is_video: bool) -> Result<crate::files::part::Part, RecordError> {
    let name = folder.part_name(1);
    let path = folder.file(&name);
    if path.symlink_metadata().is_ok() {
        return Err(RecordError::Exists(path));
    }
    first_part(folder, is_video).map_err(|fault| match fault {
        crate::files::Fault::System { source, .. } => match source.kind() {
            std::io::ErrorKind::AlreadyExists => RecordError::Exists(folder.unfinished(&name)),
            _ => RecordError::Create { path, source },
        },
        crate::files::Fault::Low { free, wanted } => RecordError::Full {
            folder: folder.path().to_owned(),
            free,
            wanted,
        },
    })
}

impl Drop for Recording {
    fn drop(&mut self) {
        // The drain thread ends by itself; whoever wants to know how, calls `finish`.
        self.shared.begin_end(Cause::Abandoned);
    }
}
