//! The recorder's threads: they work, hang, or fail, as the test says.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use onair_api::{Problem, ProblemCode, RecordingEnd};
use onair_engine::machine::{
    About, ActiveRecording, Launch, Launched, RecorderEvent, RecordingCheck, Recordings,
};
use onair_pixels::FrameStream;
use onair_record::{Counts, DrainState, Manifest, PacketReader, Producer, Status, Time};

use crate::Shared;

/// Bytes of a ring.
const RING_BYTES: usize = 64 << 10;

/// How the recorder's threads behave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recorder {
    /// They do at once what is asked.
    #[default]
    Works,
    /// They do nothing until they work again.
    Hangs,
    /// Their disk is full.
    Fails,
}

/// The recorder's state.
#[derive(Debug, Default)]
pub(crate) struct RecorderState {
    pub(crate) threads: Recorder,
    /// Events that the engine has not taken.
    pub(crate) events: Vec<RecorderEvent>,
    /// Recordings of an earlier daemon that do not go on.
    pub(crate) concluded: Vec<(String, RecordingEnd)>,
}

impl RecorderState {
    /// Takes the events.
    pub(crate) fn take_events(&mut self) -> Vec<RecorderEvent> {
        match self.threads {
            Recorder::Hangs => Vec::new(),
            Recorder::Works | Recorder::Fails => std::mem::take(&mut self.events),
        }
    }

    fn failure(&self) -> Option<String> {
        (self.threads == Recorder::Fails).then(|| "no space left".to_owned())
    }
}

/// One recording. It keeps nothing of its packets.
#[derive(Debug)]
struct SimulatedRecording {
    about: About,
    shared: Shared,
    progress: Mutex<Progress>,
}

#[derive(Debug)]
struct Progress {
    /// While it accepts packets.
    packets: Option<PacketReader>,
    /// Once it is being finished.
    end: Option<RecordingEnd>,
}

impl SimulatedRecording {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ActiveRecording for SimulatedRecording {
    fn status(&self) -> Status {
        Status {
            state: match self.is_over() {
                true => DrainState::Ended,
                false => DrainState::Recording,
            },
            reason: None,
            cause: self.progress().end,
            started_at: Time(UNIX_EPOCH),
            files: Vec::new(),
            bytes: 0,
            totals: Counts::default(),
            producers: Vec::new(),
            problems: Vec::new(),
            gaps: [].into(),
            gaps_in_all: 0,
            restarts: Vec::new(),
        }
    }

    fn look(&self) -> RecordingCheck {
        RecordingCheck {
            reason: self.shared.lock().recorder.failure(),
            ring_full: 0,
            end: None,
        }
    }

    fn stop_accepting(&self) {
        self.progress().packets = None;
    }

    fn finish(self: Arc<Self>, why: RecordingEnd) {
        self.stop_accepting();
        self.progress().end.get_or_insert(why);
        let recorder = &mut self.shared.lock().recorder;
        let (recording, failure) = (self.about.id.0, recorder.failure());
        let ended = RecorderEvent::Ended { recording, failure };
        recorder.events.push(ended);
    }

    fn is_over(&self) -> bool {
        self.progress().end.is_some() && self.shared.lock().recorder.threads != Recorder::Hangs
    }

    fn failure(&self) -> Option<String> {
        self.shared.lock().recorder.failure()
    }

    fn manifest(&self) -> Option<Manifest> {
        None
    }
}

impl Recordings for Shared {
    fn launch(&self, launch: Launch) -> io::Result<()> {
        let recording = launch.about.id.0;
        let (producer, packets) = PacketReader::new(&launch.producer, RING_BYTES);
        let progress = Progress {
            packets: Some(packets),
            end: None,
        };
        let active = Arc::new(SimulatedRecording {
            about: launch.about,
            shared: self.clone(),
            progress: Mutex::new(progress),
        });
        let recorder = &mut self.lock().recorder;
        let result = match recorder.failure() {
            None => Ok(Box::new(Launched { active, producer })),
            Some(detail) => Err(Box::new(Problem::new(ProblemCode::DiskFailed, detail))),
        };
        let launched = RecorderEvent::Launched { recording, result };
        recorder.events.push(launched);
        Ok(())
    }

    fn conclude(&self, manifest: Box<Manifest>, cause: RecordingEnd) -> io::Result<()> {
        let recorder = &mut self.lock().recorder;
        recorder.concluded.push((manifest.name.to_string(), cause));
        Ok(())
    }

    fn settle(&self, _: &About) {}

    fn picture(&self, snapshot: u64, _: &FrameStream<'_>) -> Result<Producer, Problem> {
        let (producer, _) = PacketReader::new("snapshot", RING_BYTES);
        let result = Ok(b"picture".to_vec());
        let pictured = RecorderEvent::Pictured { snapshot, result };
        self.lock().recorder.events.push(pictured);
        Ok(producer)
    }
}
