//! Recordings and pictures: threads of the machine make files of the packets, and answer with events.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use onair_api::{
    Problem, RecordingCounts, RecordingEnd, RecordingFormat, RecordingId, RecordingName,
    RecordingSpec, RecordingState, RecordingView, SessionId, SessionName, Timestamp,
};
use onair_pixels::FrameStream;
use onair_record::{Manifest, Producer, Request, Status};
use onair_settings::diagnostics::rate_limit::LinesOf;
use serde_json::Value;

/// Identity of a recording and its session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct About {
    /// Recording id.
    pub id: RecordingId,
    /// Recording name.
    pub name: RecordingName,
    /// Session id.
    pub session: SessionId,
    /// Session name.
    pub session_name: SessionName,
    /// File format.
    pub format: RecordingFormat,
}

impl About {
    /// View of a recording whose files and counts are not known yet.
    #[must_use]
    pub fn view(&self, folder: &Path, state: RecordingState, at: Timestamp) -> RecordingView {
        RecordingView {
            id: self.id,
            name: self.name.clone(),
            session: self.session,
            session_name: self.session_name.clone(),
            format: self.format,
            state,
            reason: None,
            end: None,
            owner: None,
            started_at: at,
            ended_at: None,
            folder: folder.display().to_string(),
            files: Vec::new(),
            counts: RecordingCounts::default(),
            producers: Vec::new(),
            gaps: 0,
            gap_list: Vec::new(),
            problems: Vec::new(),
            repair: None,
            restarts: Vec::new(),
        }
    }
}

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
    /// Ring size in bytes.
    pub ring_bytes: usize,
    /// Bytes to leave free on the disk.
    pub min_free_bytes: u64,
    /// Time limit of its end.
    pub timeout: Duration,
    /// With it, the recording goes on after the daemon.
    pub request: Option<Request>,
    /// The manifest of an earlier daemon, which the recording goes on with.
    pub continues: Option<Box<Manifest>>,
}

/// A recording of an earlier daemon.
#[derive(Debug)]
pub struct FoundRecording {
    /// View of it, ended.
    pub view: RecordingView,
    /// Its manifest, if it may go on.
    pub manifest: Option<Box<Manifest>>,
}

/// A started recording.
#[derive(Debug)]
pub struct Launched {
    /// The recording.
    pub active: Arc<dyn ActiveRecording>,
    /// Where the poller offers packets.
    pub producer: Producer,
}

/// Events from the recorder's threads to the control thread.
#[derive(Debug)]
pub enum RecorderEvent {
    /// The files of a recording exist, or could not be created.
    Launched {
        /// Recording id.
        recording: u64,
        /// The recording with its producer, or the error.
        result: Result<Box<Launched>, Box<Problem>>,
    },
    /// A recording has ended; its files are on disk as far as possible.
    Ended {
        /// Recording id.
        recording: u64,
        /// The error, if any.
        failure: Option<String>,
    },
    /// A picture of a session is made, as a PNG, or there is none.
    Pictured {
        /// Snapshot id, of the same numbers as recordings.
        snapshot: u64,
        /// The picture.
        result: Result<Vec<u8>, Box<Problem>>,
    },
    /// Previous daemons' recordings in the folder, repaired if needed.
    Found(Vec<FoundRecording>),
}

/// Result of a check of a running recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordingCheck {
    /// Why it misses packets, if it does.
    pub reason: Option<String>,
    /// Packets dropped so far because its ring was full.
    pub ring_full: u64,
    /// Why it accepts no more.
    pub end: Option<RecordingEnd>,
}

/// One recording that runs, or is being finished. No method waits for the disk.
pub trait ActiveRecording: Debug + Send + Sync {
    /// Current status.
    fn status(&self) -> Status;
    /// Why it cannot write now, and its cause of end if it ended by itself.
    fn look(&self) -> RecordingCheck;
    /// The cut: it accepts no more from here on.
    fn stop_accepting(&self);
    /// Finishes it, unless that has begun; [`RecorderEvent::Ended`] tells when that is done.
    fn finish(self: Arc<Self>, why: RecordingEnd);
    /// Whether it is finished or has failed.
    fn is_over(&self) -> bool;
    /// Why it failed, or is not all on disk.
    fn failure(&self) -> Option<String>;
    /// Its manifest, once it has ended in order.
    fn manifest(&self) -> Option<Manifest>;
}

/// The machine's recorder.
pub trait Recordings: Debug {
    /// Creates the files of a recording; [`RecorderEvent::Launched`] tells when that is done.
    ///
    /// # Errors
    /// No thread.
    fn launch(&self, launch: Launch) -> io::Result<()>;
    /// Ends a recording of an earlier daemon, for this cause, so that no later daemon goes on with it;
    /// [`RecorderEvent::Found`] has it again when that is on disk.
    ///
    /// # Errors
    /// No thread.
    fn conclude(&self, manifest: Box<Manifest>, cause: RecordingEnd) -> io::Result<()>;
    /// The recording has ended, and the shutdown need not know of it.
    fn settle(&self, about: &About);
    /// Makes one picture of packets of this stream; [`RecorderEvent::Pictured`] has it.
    ///
    /// # Errors
    /// `no_picture` if there cannot be one, `internal` without a thread.
    fn picture(&self, snapshot: u64, stream: &FrameStream<'_>) -> Result<Producer, Problem>;
}
