//! Operations on recordings.

use super::entry::{any, get, post, this};
use super::{RecordingQuery, Right, operations};
use crate::problem::ProblemCode::{
    DeadlinePassed, DiskFailed, LimitReached, NameTaken, NoPackets, Quarantined,
};
use crate::{RecordingList, RecordingRef, RecordingSpec, RecordingView, SessionRef};

operations! { RECORDINGS "recordings":
    /// Records a session.
    ///
    /// The answer comes once the recording takes packets; earlier packets are not in it. The recording
    /// continues while the session is stopped and started, and after a restart of the daemon if the session
    /// comes back. It ends on request, by its duration or size, or with its session. Its files have its name, with `.part` appended while they are written; the
    /// manifest `NAME.json` is beside them. The daemon never removes ended recordings: the operator
    /// does.
    StartRecording(SessionRef, Box<RecordingSpec>) -> RecordingView:
        post("/v1/sessions/{id}/recordings", this(Right::Record)).creates()
            .answers("The recording.").fails(&[NameTaken, NoPackets, DiskFailed, Quarantined, LimitReached]);

    /// Lists recordings that run, and ended ones: the newest thousand since the daemon's start, or
    /// found in the folder then.
    ListRecordings((), RecordingQuery) -> RecordingList:
        get("/v1/recordings", any(Right::Read)).answers("Recordings, oldest first.");

    /// Shows one recording.
    ShowRecording(RecordingRef, ()) -> RecordingView:
        get("/v1/recordings/{id}", this(Right::Read)).answers("The recording.");

    /// Ends a recording.
    ///
    /// It stops taking packets at once. The answer comes once its files are complete and on disk, or is
    /// `deadline_passed` if that takes longer than `recorder.finish_ms`. No effect if the recording has
    /// ended.
    StopRecording(RecordingRef, ()) -> RecordingView:
        post("/v1/recordings/{id}/stop", this(Right::Record)).answers("The recording, ended.")
            .fails(&[DeadlinePassed]);
}
