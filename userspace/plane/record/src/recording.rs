//! A recording, as its owner sees it.

use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use onair_api::{RecordingEnd, RecordingFormat};

use crate::before::{Before, Seam};
use crate::drain::Drain;
use crate::error::{FinishError, RecordError};
use crate::files::{Files, Folder, ManifestFile, Summer, Syncer, first_part, later_part};
use crate::manifest::{FileReport, Gap, Manifest, Restart, Time};
use crate::producer::Producer;
use crate::producer::gate::Door;
use crate::producer::ring::ring;
use crate::shared::{DrainState, FlushedEvents, Listener, RecordingShared, lock};
use crate::spec::Spec;
use crate::totals::{Counts, ProducerCounts, ProducerTotals};

/// Wait of the drain thread for the disk from which the disk is reported slow.
const SLOW: Duration = Duration::from_secs(1);

/// Snapshot of a recording.
#[derive(Clone, Debug)]
pub struct Status {
    /// Current state.
    pub state: DrainState,
    /// Why it is degraded, for humans.
    pub reason: Option<String>,
    /// Cause of the end.
    pub cause: Option<RecordingEnd>,
    /// Start time.
    pub started_at: Time,
    /// Its files so far.
    pub files: Vec<FileReport>,
    /// Bytes of the files, including buffered bytes.
    pub bytes: u64,
    /// Counts of all producers together.
    pub totals: Counts,
    /// Counts of each producer.
    pub producers: Vec<ProducerCounts>,
    /// Problems so far, for humans.
    pub problems: Vec<String>,
    /// The first gaps so far, at most [`GAPS_TOLD`](crate::GAPS_TOLD).
    pub gaps: Arc<[Gap]>,
    /// Number of gaps so far.
    pub gaps_in_all: u64,
    /// Restarts of the daemon so far.
    pub restarts: Vec<Restart>,
}

/// Why a flush was not completed.
#[derive(Debug, thiserror::Error)]
pub enum FlushError {
    /// Accepted events are not yet written at the deadline.
    #[error("not flushed within {waited:?}: {doing}, {pending} events are not in a file yet")]
    Late {
        /// Time waited.
        waited: Duration,
        /// The drain thread's work.
        doing: String,
        /// Accepted events that are neither written nor lost.
        pending: u64,
    },
    /// The recording ended. Its manifest has the counts of all events.
    #[error("the recording has ended")]
    Ended(Option<Box<Manifest>>),
}

/// A running recording. Drop ends it and does not wait.
#[derive(Debug)]
pub struct Recording {
    spec: Spec,
    folder: PathBuf,
    started_at: Time,
    shared: Arc<RecordingShared>,
    before: Option<Arc<Before>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Recording {
    /// Starts a recording. When this returns, its first file and its manifest exist.
    ///
    /// # Errors
    /// [`RecordError`]: invalid specification, name in use, no space, or the kernel's error.
    pub fn start(spec: Spec) -> Result<Self, RecordError> {
        Self::start_with(spec, Box::new(|_, _| {}))
    }

    /// [`Self::start`], with a `listener` for changes of the state.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub fn start_with(spec: Spec, listener: Listener) -> Result<Self, RecordError> {
        Self::begin(spec, listener, None)
    }

    /// Goes on with the recording of `manifest`, which ended with an earlier daemon: the same name, id and counts, a
    /// next file. Limits count from the first start. When this returns, the manifest on disk says that it runs; the
    /// file is created as soon as the disk takes it. `seam` counts the events that are missing in between.
    ///
    /// # Errors
    /// As [`Self::start`]. The ended recording is then as before.
    pub fn go_on(spec: Spec, manifest: Manifest, seam: Box<dyn Seam>) -> Result<Self, RecordError> {
        let before = (Arc::new(Before::new(manifest)), seam);
        Self::begin(spec, Box::new(|_, _| {}), Some(before))
    }

    fn begin(
        spec: Spec,
        listener: Listener,
        before: Option<(Arc<Before>, Box<dyn Seam>)>,
    ) -> Result<Self, RecordError> {
        spec.check()?;
        let stem = spec.name.as_str();
        let folder = Folder::new(
            &spec.folder,
            stem,
            RecordingFormat::Pcapng.extension(),
            spec.is_split(),
            spec.min_free_bytes,
        );
        let create = |path: PathBuf| move |source| RecordError::Create { path, source };
        folder.make().map_err(create(spec.folder.clone()))?;
        let free = folder.free().map_err(create(spec.folder.clone()))?;
        let earlier = before.as_ref().map(|(it, _)| Arc::clone(it));
        // What goes on waits for space: it is degraded.
        if free < spec.min_free_bytes && earlier.is_none() {
            return Err(RecordError::Full {
                folder: spec.folder.clone(),
                free,
                wanted: spec.min_free_bytes,
            });
        }
        let summer = Summer::start(stem).map_err(RecordError::Thread)?;
        let shared = Arc::new(RecordingShared::new());
        let started_at = earlier
            .as_ref()
            .map_or_else(Time::now, |it| it.manifest().started_at);
        let first = crate::drain::first_manifest(&spec, started_at, earlier.as_deref());
        let manifest_path = folder.file(&ManifestFile::name_of(stem));
        let manifest_file = match &earlier {
            Some(_) => ManifestFile::reopen(&folder, stem, &first),
            None => ManifestFile::claim(&folder, stem, &first),
        };
        let manifest_file = manifest_file.map_err(|error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => RecordError::Exists(manifest_path.clone()),
            _ => RecordError::Create {
                path: manifest_path,
                source: error,
            },
        })?;
        let part = match &earlier {
            Some(it) => Ok(later_part(&folder, it.manifest().files.len())),
            None => take_first(&folder),
        };
        let part = match part {
            Ok(part) => part,
            Err(error) => {
                manifest_file.abandon();
                return Err(error);
            }
        };
        let syncer = Syncer::start(stem, folder.clone(), manifest_file, Arc::clone(&shared));
        let syncer = syncer.map_err(RecordError::Thread)?;
        let manifest = earlier.as_ref().map(|it| it.manifest());
        if let Some(manifest) = manifest {
            let mut progress = shared.progress();
            progress.publish(manifest);
            progress.restarts.clone_from(&manifest.restarts);
        }
        let files = Files::new(&spec, folder, part, (summer, syncer), manifest);
        let shared_too = Arc::clone(&shared);
        let drain = Drain::new(&spec, started_at, shared_too, files, listener, before);
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
            before: earlier,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The specification.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Path of the final manifest.
    #[must_use]
    pub fn manifest_path(&self) -> PathBuf {
        self.folder
            .join(ManifestFile::name_of(self.spec.name.as_str()))
    }

    /// Adds a producer, called `name` in files and manifest. Allocates its ring.
    ///
    /// # Errors
    /// [`RecordError::Ended`].
    pub fn producer(&self, name: &str) -> Result<Producer, RecordError> {
        if self.shared.gate.door() == Door::Closed {
            return Err(RecordError::Ended);
        }
        let totals = Arc::new(ProducerTotals::new(name));
        let (writer, reader) = ring(self.spec.ring_bytes);
        self.shared.join(Arc::clone(&totals), reader);
        let snap_length = usize::try_from(self.spec.snap_length).unwrap_or(usize::MAX);
        let gate = Arc::clone(&self.shared.gate);
        Ok(Producer::new(gate, totals, writer, snap_length))
    }

    /// Current status. Does not wait.
    #[must_use]
    pub fn status(&self) -> Status {
        let producers = lock(&self.shared.producers);
        let producers: Vec<_> = producers.iter().map(|it| it.report()).collect();
        let producers = match &self.before {
            Some(before) => before.producers_with(producers).0,
            None => producers,
        };
        let mut totals = Counts::default();
        producers.iter().for_each(|it| totals.add(&it.counts));
        let progress = self.shared.progress();
        let slow = self.shared.busy_for().filter(|it| *it >= SLOW);
        let slow = slow.map(|it| format!("the disk has not answered for {} s", it.as_secs()));
        let reason = progress.fault.clone().or(slow);
        let state = if progress.ended.is_some() {
            DrainState::Ended
        } else if self.shared.gate.door() == Door::Closed {
            DrainState::Finishing
        } else if reason.is_some() {
            DrainState::Degraded
        } else {
            DrainState::Recording
        };
        Status {
            state,
            reason: reason.filter(|_| state != DrainState::Ended),
            cause: progress.cause,
            started_at: self.started_at,
            files: progress.files.clone(),
            bytes: self.shared.bytes.load(Ordering::Relaxed),
            totals,
            producers,
            problems: progress.problems.clone(),
            gaps: Arc::clone(&progress.gaps),
            gaps_in_all: progress.gaps_in_all,
            restarts: progress.restarts.clone(),
        }
    }

    /// The cut: from here on every offer is refused and counted. Does not block. Accepted events
    /// are still written; [`Self::finish`] ends the recording.
    pub fn stop_accepting(&self) {
        self.shared.gate.close();
        self.shared.wake();
    }

    /// Waits until every event accepted before this call is in a file (given to the kernel, not
    /// synced to disk). Succeeds only if the counts prove it.
    ///
    /// # Errors
    /// [`FlushError`]: deadline, or the recording has ended.
    pub fn flush(&self, deadline: Instant) -> Result<FlushedEvents, FlushError> {
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

    /// Ends the recording for `cause`, unless it is already ending: the cut, the accepted events
    /// into files, the files synced and renamed, the manifest.
    ///
    /// # Errors
    /// [`FinishError`]. After [`FinishError::Late`] the end continues: call again, or drop it.
    pub fn finish(&self, cause: RecordingEnd, deadline: Instant) -> Result<Manifest, FinishError> {
        let begun = Instant::now();
        self.shared.begin_end(cause);
        let progress = self.shared.wait(deadline, |it| it.ended.is_some());
        match &progress.ended {
            Some(ended) => {
                let result = ended.clone().map_err(FinishError::Panicked);
                drop(progress);
                let thread = lock(&self.thread).take();
                if let Some(thread) = thread {
                    // The thread has sent its result, also after a panic, and does nothing more.
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

    fn doing(&self, fault: &Option<String>) -> String {
        match (fault, self.shared.busy_for()) {
            (Some(fault), _) => fault.clone(),
            (None, Some(busy)) => format!("waiting for the disk for {busy:?}"),
            (None, None) => "in progress".to_owned(),
        }
    }
}

fn take_first(folder: &Folder) -> Result<crate::files::part::RecordingFile, RecordError> {
    let name = folder.part_name(1);
    let path = folder.file(&name);
    if path.symlink_metadata().is_ok() {
        return Err(RecordError::Exists(path));
    }
    first_part(folder).map_err(|fault| match fault {
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
        // The drain thread ends by itself. Call `finish` to get the result.
        self.shared.begin_end(RecordingEnd::Abandoned);
    }
}
