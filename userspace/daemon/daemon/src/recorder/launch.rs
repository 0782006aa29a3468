//! Starts a recording: a separate thread creates its files and touches its ring's memory.

use std::any::Any;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use onair_api::{Problem, ProblemCode, RecordingEnd};
use onair_engine::machine::{About, Launch, Launched, RecorderEvent, Recordings};
use onair_pixels::FrameStream;
use onair_record::{Manifest, Producer, RecordError, RecordName, Recording, SessionLabel, Spec};
use onair_workers::{ThreadRegistry, panic_text};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::active::{self, Active, worker_name};
use super::seam::{Live, SequenceSeam};
use super::startup;
use crate::snapshot;

/// The recorder's threads, and what they share.
#[derive(Debug)]
pub struct RecorderThreads {
    /// Folder of the recordings.
    folder: PathBuf,
    /// The recordings that the shutdown sees.
    live: Live,
    /// The daemon's worker threads.
    threads: ThreadRegistry,
    /// Locked during the scan of the folder.
    ready: Arc<Mutex<()>>,
    /// To the control thread.
    events: UnboundedSender<RecorderEvent>,
}

impl RecorderThreads {
    /// None runs yet. Returns the control thread's end of their events.
    #[must_use]
    pub fn new(
        folder: PathBuf,
        live: Live,
        threads: ThreadRegistry,
    ) -> (Self, UnboundedReceiver<RecorderEvent>) {
        let (events, inbox) = unbounded_channel();
        let threads = Self {
            folder,
            live,
            threads,
            ready: Arc::default(),
            events,
        };
        (threads, inbox)
    }

    /// Scans the folder. Recordings started meanwhile wait for the scan.
    ///
    /// # Errors
    /// No thread.
    pub fn look_through(&self) -> io::Result<()> {
        let folder = self.folder.clone();
        startup::look_through(folder, &self.threads, &self.ready, &self.events)
    }
}

impl Recordings for RecorderThreads {
    /// On a separate thread once `ready` is unlocked, after the scan of the folder.
    fn launch(&self, launch: Launch) -> io::Result<()> {
        let Self {
            folder,
            live,
            threads,
            ready,
            events,
        } = self;
        let (folder, live, threads) = (folder.clone(), live.clone(), threads.clone());
        let (ready, events) = (Arc::clone(ready), events.clone());
        live.begin_start();
        let spawned = std::thread::Builder::new()
            .name("record-start".into())
            .spawn(move || {
                drop(ready.lock().unwrap_or_else(PoisonError::into_inner));
                let recording = launch.about.id.0;
                // The requester gets an answer, also after a panic.
                let started = catch_unwind(AssertUnwindSafe(|| {
                    start(launch, &folder, &threads, &events)
                }));
                let started = started.unwrap_or_else(|panic| Err(Box::new(broken(&*panic))));
                live.end_start(started.as_ref().ok().map(|(active, _)| active));
                let result =
                    started.map(|(active, producer)| Box::new(Launched { active, producer }));
                let sent = events.send(RecorderEvent::Launched { recording, result });
                if let Err(unsent) = sent
                    && let RecorderEvent::Launched {
                        result: Ok(launched),
                        ..
                    } = unsent.0
                {
                    // The control thread has ended.
                    let Launched { active, producer } = *launched;
                    drop(producer);
                    active.finish(RecordingEnd::Shutdown);
                }
            });
        spawned.map(drop).inspect_err(|_| self.live.end_start(None))
    }

    fn conclude(&self, manifest: Box<Manifest>, cause: RecordingEnd) -> io::Result<()> {
        startup::conclude(self.folder.clone(), manifest, cause, &self.events)
    }

    fn settle(&self, about: &About) {
        if self.live.settle(about.id) {
            self.threads.forget(&worker_name(&about.name));
        }
    }

    fn picture(&self, snapshot: u64, stream: &FrameStream<'_>) -> Result<Producer, Problem> {
        snapshot::begin(snapshot, stream, &self.events)
    }
}

fn start(
    launch: Launch,
    folder: &Path,
    threads: &ThreadRegistry,
    events: &UnboundedSender<RecorderEvent>,
) -> Result<(Arc<Active>, Producer), Box<Problem>> {
    let refused = |error| Box::new(problem(&error));
    let spec = spec(&launch, folder)?;
    let recording = match launch.continues {
        Some(manifest) => {
            let seam = Box::new(SequenceSeam::after(&manifest, folder));
            Recording::go_on(spec, *manifest, seam)
        }
        None => Recording::start(spec),
    };
    let recording = recording.map_err(refused)?;
    let producer = recording.producer(&launch.producer).map_err(refused)?;
    let worker = active::worker(threads, &launch.about.name);
    let events = events.clone();
    let Launch {
        about,
        lines,
        timeout,
        ..
    } = launch;
    let active = Active::new(about, lines, recording, timeout, worker, events);
    Ok((active, producer))
}

fn broken(panic: &(dyn Any + Send)) -> Problem {
    let reason = panic_text::of(panic);
    tracing::error!(reason, "the start of a recording panicked");
    Problem::new(
        ProblemCode::Internal,
        format!("the start of the recording failed: {reason}"),
    )
}

/// The specification for the recorder; a [`Problem`] if the recorder rejects the name.
fn spec(launch: &Launch, folder: &Path) -> Result<Spec, Problem> {
    let wanted = &launch.spec;
    let name = launch.about.name.as_str().parse::<RecordName>();
    let name =
        name.map_err(|error| Problem::new(ProblemCode::InvalidRequest, error.to_string()))?;
    let mut spec = Spec::new(folder, name);
    spec.id = launch.about.id.to_string();
    spec.session = Some(SessionLabel {
        id: launch.about.session.to_string(),
        name: launch.about.session_name.to_string(),
        spec: launch.session_spec.clone(),
    });
    if let Some(bytes) = wanted.snap_length {
        spec.snap_length = bytes;
    }
    spec.ring_bytes = launch.ring_bytes;
    spec.min_free_bytes = launch.min_free_bytes;
    spec.duration = wanted.duration_ms.map(Duration::from_millis);
    spec.size = wanted.size_bytes;
    spec.split_size = wanted.split_size_bytes;
    spec.split_duration = wanted.split_duration_ms.map(Duration::from_millis);
    spec.request.clone_from(&launch.request);
    spec.application = concat!("onaird ", env!("CARGO_PKG_VERSION")).to_owned();
    Ok(spec)
}

/// The answer to a start that failed.
fn problem(error: &RecordError) -> Problem {
    let code = match error {
        RecordError::Value { .. } => ProblemCode::InvalidRequest,
        RecordError::Exists(_) => ProblemCode::NameTaken,
        _ => ProblemCode::DiskFailed,
    };
    Problem::new(code, error.to_string())
}
