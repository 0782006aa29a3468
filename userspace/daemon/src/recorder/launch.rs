//! Starting a recording: its files are made and its ring's memory is touched on a thread of its own.

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

/// All that is needed to start a recording.
#[derive(Debug)]
pub struct Launch {
    /// Which it is.
    pub about: About,
    /// What was asked for.
    pub spec: RecordingSpec,
    /// The session's video.
    pub video: VideoFormat,
    /// The session's payload type.
    pub payload_type: u8,
    /// What hands the packets over: the port, and the polling thread.
    pub producer: String,
    /// Folder of the files.
    pub folder: PathBuf,
    /// Bytes of the ring.
    pub ring_bytes: usize,
    /// Bytes that stay free on the disk.
    pub min_free_bytes: u64,
    /// How long its end may take.
    pub patience: Duration,
}

/// A recording that has just begun.
#[derive(Debug)]
pub struct Launched {
    /// It.
    pub active: Arc<Active>,
    /// Where packets are handed over.
    pub producer: Producer,
}

impl Launch {
    /// Starts it on a thread of its own, when `ready` is unlocked: the folder is looked through then.
    ///
    /// # Errors
    /// No thread.
    pub fn begin(
        self,
        live: &Live,
        threads: &ThreadRegistry,
        ready: &Arc<Mutex<()>>,
        news: &UnboundedSender<RecorderEvent>,
    ) -> std::io::Result<()> {
        let (live, threads) = (live.clone(), threads.clone());
        let (ready, news) = (Arc::clone(ready), news.clone());
        live.begin_start();
        let entered = live.clone();
        let spawned = std::thread::Builder::new()
            .name("record-start".into())
            .spawn(move || {
                drop(ready.lock().unwrap_or_else(PoisonError::into_inner));
                let recording = self.about.id.0;
                // Whoever asked is answered, whatever happens in there.
                let started = catch_unwind(AssertUnwindSafe(|| self.start(&threads)));
                let result = started.unwrap_or_else(|panic| Err(Box::new(broken(&*panic))));
                live.end_start(result.as_ref().ok().map(|it| &it.active));
                let told = news.send(RecorderEvent::Launched { recording, result });
                if let Err(unheard) = told
                    && let RecorderEvent::Launched {
                        result: Ok(launched),
                        ..
                    } = unheard.0
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
    tracing::error!(reason, "starting a recording panicked");
    Problem::new(
        ProblemCode::Internal,
        format!("starting it failed: {reason}"),
    )
}
