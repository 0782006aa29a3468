//! Starts a recording: a separate thread creates its files and touches its ring's memory.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use onair_media::video::VideoFormat;
use onair_record::{Producer, Recording};
use onair_types::{Problem, ProblemCode, RecordingEnd, RecordingSpec};
use tokio::sync::mpsc::UnboundedSender;

use super::live::{self, About, Active, Live};
use super::{RecorderEvent, convert};
use crate::panic_text;
use crate::shutdown::ThreadRegistry;

/// Parameters of a start.
#[derive(Debug)]
pub struct Launch {
    /// Identity of the recording.
    pub about: About,
    /// The requested specification.
    pub spec: RecordingSpec,
    /// The session's video format.
    pub video: VideoFormat,
    /// The session's RTP payload type.
    pub payload_type: u8,
    /// Name of the producer: the port and the polling thread.
    pub producer: String,
    /// Folder of the recordings.
    pub folder: PathBuf,
    /// Ring size in bytes.
    pub ring_bytes: usize,
    /// Bytes to leave free on the disk.
    pub min_free_bytes: u64,
    /// Time limit of its end.
    pub patience: Duration,
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
        let refused = |error| Box::new(convert::problem(&error));
        let recording = Recording::start(convert::spec(&self)?).map_err(refused)?;
        let producer = recording.producer(&self.producer).map_err(refused)?;
        let worker = live::worker(threads, &self.about.name);
        let active = Active::new(self.about, recording, self.patience, worker);
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
