//! Starts a recording: a separate thread creates its files and touches its ring's memory.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use onair_api::{Problem, ProblemCode, RecordingEnd, RecordingSpec};
use onair_record::{Producer, RecordError, RecordName, Recording, SessionLabel, Spec};
use onair_settings::diagnostics::rate_limit::LinesOf;
use onair_workers::{ThreadRegistry, panic_text};
use serde_json::Value;
use tokio::sync::mpsc::UnboundedSender;

use super::RecorderEvent;
use super::active::{self, About, Active};
use super::live::Live;

/// Parameters of a start.
#[derive(Debug)]
pub struct Launch {
    /// Identity of the recording.
    pub about: About,
    /// Limits its log lines.
    pub lines: LinesOf,
    /// The requested specification.
    pub spec: RecordingSpec,
    /// The session's specification, for the manifest.
    pub session_spec: Value,
    /// Name of the producer: the port and the polling thread.
    pub producer: String,
    /// Folder of the recordings.
    pub folder: PathBuf,
    /// Ring size in bytes.
    pub ring_bytes: usize,
    /// Bytes to leave free on the disk.
    pub min_free_bytes: u64,
    /// Time limit of its end.
    pub timeout: Duration,
}

/// A started recording.
#[derive(Debug)]
pub struct Launched {
    /// The recording.
    pub active: Arc<Active>,
    /// Where the poller offers packets.
    pub producer: Producer,
}

impl Launch {
    /// Starts it on a separate thread once `ready` is unlocked, after the scan of the folder.
    ///
    /// # Errors
    /// No thread.
    pub fn begin(
        self,
        live: &Live,
        threads: &ThreadRegistry,
        ready: &Arc<Mutex<()>>,
        events: &UnboundedSender<RecorderEvent>,
    ) -> std::io::Result<()> {
        let (live, threads) = (live.clone(), threads.clone());
        let (ready, events) = (Arc::clone(ready), events.clone());
        live.begin_start();
        let entered = live.clone();
        let spawned = std::thread::Builder::new()
            .name("record-start".into())
            .spawn(move || {
                drop(ready.lock().unwrap_or_else(PoisonError::into_inner));
                let recording = self.about.id.0;
                // The requester gets an answer, also after a panic.
                let started = catch_unwind(AssertUnwindSafe(|| self.start(&threads)));
                let result = started.unwrap_or_else(|panic| Err(Box::new(broken(&*panic))));
                live.end_start(result.as_ref().ok().map(|it| &it.active));
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
                    active.finish(RecordingEnd::Shutdown, drop);
                }
            });
        if let Err(error) = spawned {
            entered.end_start(None);
            return Err(error);
        }
        Ok(())
    }

    fn start(self, threads: &ThreadRegistry) -> Result<Box<Launched>, Box<Problem>> {
        let refused = |error| Box::new(problem(&error));
        let recording = Recording::start(spec(&self)?).map_err(refused)?;
        let producer = recording.producer(&self.producer).map_err(refused)?;
        let worker = active::worker(threads, &self.about.name);
        let active = Active::new(self.about, self.lines, recording, self.timeout, worker);
        Ok(Box::new(Launched { active, producer }))
    }
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
fn spec(launch: &Launch) -> Result<Spec, Problem> {
    let wanted = &launch.spec;
    let name = launch.about.name.as_str().parse::<RecordName>();
    let name =
        name.map_err(|error| Problem::new(ProblemCode::InvalidRequest, error.to_string()))?;
    let mut spec = Spec::new(&launch.folder, name);
    spec.id = launch.about.id.to_string();
    spec.session = Some(SessionLabel {
        id: launch.about.session.to_string(),
        name: launch.about.session_name.to_string(),
        spec: Some(launch.session_spec.clone()),
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
