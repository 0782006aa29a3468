//! Recordings: when each begins and ends, and what its requesters are told.

use std::time::Duration;

use onair_api::operations::{
    CreateSession, DestroySession, ListRecordings, RecordingQuery, ShowRecording, StartRecording,
    StopRecording, StopSession,
};
use onair_api::{
    Problem, ProblemCode, RecordingEnd, RecordingRef, RecordingSpec, RecordingState, RecordingView,
};
use onair_sim_machine::{POLLERS, Recorder};
use serde_json::{from_value, json};

use onair_sim_machine::life::{Life, cam, root, session};

fn take() -> RecordingRef {
    "take".parse().unwrap()
}

fn spec() -> Box<RecordingSpec> {
    from_value(json!({"format": "pcapng", "name": "take"})).unwrap()
}

fn start(life: &mut Life) -> Result<RecordingView, Problem> {
    life.ask::<StartRecording>(cam(), spec())
}

fn show(life: &mut Life) -> RecordingView {
    life.ask::<ShowRecording>(take(), ()).unwrap()
}

/// A receiver that runs.
fn receiver() -> Life {
    let mut life = Life::with("[recorder]\nfinish_ms = 1000\n");
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    life
}

/// A receiver that is recorded.
fn recorded() -> Life {
    let mut life = receiver();
    assert_eq!(start(&mut life).unwrap().state, RecordingState::Recording);
    life
}

#[test]
fn recording_is_stopped_twice_then_finished_once_and_listed() {
    let mut life = recorded();
    let taken = start(&mut life).unwrap_err();
    assert_eq!(taken.code, ProblemCode::NameTaken);
    for _ in 0..2 {
        let ended = life.ask::<StopRecording>(take(), ()).unwrap();
        assert_eq!(ended.state, RecordingState::Finished);
        assert_eq!(ended.end, Some(RecordingEnd::Stopped));
    }
    let all = RecordingQuery::default();
    let listed = life.ask::<ListRecordings>((), all).unwrap().recordings;
    let names: Vec<_> = listed.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["take"]);
}

#[test]
fn session_is_destroyed_while_recorded_then_its_recording_ends() {
    let mut life = recorded();
    life.ask::<StopSession>(cam(), ()).unwrap();
    assert_eq!(show(&mut life).state, RecordingState::Recording);
    life.ask::<DestroySession>(cam(), ()).unwrap();
    life.live(Duration::from_millis(100));
    let view = show(&mut life);
    assert_eq!(view.state, RecordingState::Finished);
    assert_eq!(view.end, Some(RecordingEnd::SessionEnded));
}

#[test]
fn session_is_destroyed_before_the_files_exist_then_none_runs() {
    let mut life = receiver();
    life.world.set_recorder(Recorder::Hangs);
    let begun = life.begin_to_ask::<StartRecording>(&root(), cam(), spec());
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.ask::<DestroySession>(cam(), ()).unwrap();
    life.world.set_recorder(Recorder::Works);
    life.wait(begun).unwrap();
    life.live(Duration::from_millis(100));
    assert_eq!(show(&mut life).end, Some(RecordingEnd::SessionEnded));
}

#[test]
fn disk_hangs_at_the_end_then_deadline_passed_then_finished() {
    let mut life = recorded();
    life.world.set_recorder(Recorder::Hangs);
    let late = life.ask::<StopRecording>(take(), ()).unwrap_err();
    assert_eq!(late.code, ProblemCode::DeadlinePassed);
    assert_eq!(show(&mut life).state, RecordingState::Finishing);
    life.world.set_recorder(Recorder::Works);
    life.live(Duration::from_millis(100));
    assert_eq!(show(&mut life).state, RecordingState::Finished);
}

#[test]
fn disk_fails_then_no_start_or_degraded_and_failed_at_the_end() {
    let mut life = receiver();
    life.world.set_recorder(Recorder::Fails);
    let refused = start(&mut life).unwrap_err();
    assert_eq!(refused.code, ProblemCode::DiskFailed);
    let mut life = recorded();
    life.world.set_recorder(Recorder::Fails);
    life.live(Duration::from_millis(200));
    assert_eq!(show(&mut life).state, RecordingState::Degraded);
    let ended = life.ask::<StopRecording>(take(), ()).unwrap();
    assert_eq!(ended.state, RecordingState::Failed);
    assert_eq!(ended.reason.as_deref(), Some("no space left"));
}

#[test]
fn daemon_ends_then_its_recordings_do_and_none_begins() {
    let mut life = recorded();
    life.world.let_pollers_stand([true; POLLERS]);
    life.shut_down(Duration::from_secs(1));
    let refused = life.ask::<StartRecording>(cam(), spec()).unwrap_err();
    assert_eq!(refused.code, ProblemCode::ShuttingDown);
    life.world.let_pollers_stand([false; POLLERS]);
    life.live(Duration::from_millis(100));
    assert_eq!(show(&mut life).end, Some(RecordingEnd::Shutdown));
    life.end();
}
