//! Recordings: when each begins and ends, and what its requesters are told.

use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use onair_api::operations::{
    CreateSession, DestroySession, ListRecordings, RecordingQuery, ShowRecording, ShowSession,
    StartRecording, StopRecording, StopSession,
};
use onair_api::{
    Problem, ProblemCode, RecordingEnd, RecordingFormat, RecordingRef, RecordingSpec,
    RecordingState, RecordingView, SessionId, Timestamp,
};
use onair_engine::machine::{About, FoundRecording};
use onair_record::{Counts, Manifest};
use onair_sim_machine::{POLLERS, Recorder};
use serde_json::{Value, from_value, json};

use onair_sim_machine::life::{Life, cam, member, root, session, who};

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

/// `take` of session `cam`, as an earlier daemon left it.
fn left(request: Value) -> FoundRecording {
    let counts = serde_json::to_value(Counts::default()).unwrap();
    let spec = member("cam", "receive", json!({}));
    let manifest = from_value::<Manifest>(json!({
        "version": 1, "id": "6920a1c300000001", "name": "take", "application": "onaird",
        "session": {"id": "6920a1c300000001", "name": "cam", "spec": spec},
        "format": "pcapng", "snap_length": 96, "stage": "repaired", "cause": "killed",
        "started_at": "1970-01-01T00:00:00Z", "as_of": "1970-01-01T00:00:09Z",
        "totals": counts, "producers": [], "gaps": [], "gaps_more": 0, "problems": [], "files": [],
        "request": {"spec": request, "owner": 0, "starter": who(0, 1)},
    }));
    let about = About {
        id: "6920a1c300000001".parse().unwrap(),
        name: "take".parse().unwrap(),
        session: SessionId(0x6920_a1c3_0000_0001),
        session_name: "cam".parse().unwrap(),
        format: RecordingFormat::Pcapng,
    };
    let at = Timestamp(UNIX_EPOCH);
    let mut view = about.view(Path::new("/"), RecordingState::Repaired, at);
    view.end = Some(RecordingEnd::Killed);
    FoundRecording {
        view,
        manifest: Some(Box::new(manifest.unwrap())),
    }
}

/// The next daemon after one with a persistent receiver.
fn next_daemon() -> Life {
    let mut life = Life::begin();
    let persistent = session("cam", "receive", json!({"persistent": true}));
    life.ask::<CreateSession>((), persistent).unwrap();
    life.again()
}

#[test]
fn session_comes_back_then_its_recording_goes_on_until_its_end() {
    let mut life = next_daemon();
    let found = left(json!({"format": "pcapng"}));
    life.world.find_recording(found);
    life.live(Duration::from_millis(100));
    let view = show(&mut life);
    let session = life.ask::<ShowSession>(cam(), ()).unwrap().id;
    assert_eq!(view.state, RecordingState::Recording);
    assert_eq!(
        (view.id.to_string().as_str(), view.session),
        ("6920a1c300000001", session)
    );
    assert_eq!(view.started_at, Timestamp(UNIX_EPOCH));
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.ask::<DestroySession>(cam(), ()).unwrap();
    life.live(Duration::from_millis(100));
    assert_eq!(show(&mut life).end, Some(RecordingEnd::SessionEnded));
    assert_eq!(life.world.concluded(), []);
}

#[test]
fn session_is_another_of_its_name_then_the_recording_is_over() {
    let over = [("take".to_owned(), RecordingEnd::SessionEnded)];
    // It was created by a user, not restored.
    let mut life = receiver();
    let found = left(json!({"format": "pcapng"}));
    life.world.find_recording(found);
    life.live(Duration::from_millis(100));
    assert_eq!(life.world.concluded(), over);
    assert_eq!(show(&mut life).end, Some(RecordingEnd::Killed));
    // It came back, and a user destroyed it before the folder was looked through.
    let mut life = next_daemon();
    let found = left(json!({"format": "pcapng"}));
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.ask::<DestroySession>(cam(), ()).unwrap();
    life.world.find_recording(found);
    life.live(Duration::from_millis(100));
    assert_eq!(life.world.concluded(), over);
}

#[test]
fn disk_fails_as_a_recording_goes_on_then_listed_with_why() {
    let mut life = next_daemon();
    let found = left(json!({"format": "pcapng"}));
    life.world.set_recorder(Recorder::Fails);
    life.world.find_recording(found);
    life.live(Duration::from_millis(100));
    let view = show(&mut life);
    assert_eq!(view.state, RecordingState::Repaired);
    let reason = view.reason.unwrap();
    assert!(reason.contains("no space left"), "{reason}");
    assert_eq!(life.world.concluded(), [], "the next start tries again");
}

#[test]
fn daemon_ends_with_a_stopped_session_then_it_may_go_on() {
    let mut life = recorded();
    life.ask::<StopSession>(cam(), ()).unwrap();
    life.shut_down(Duration::from_secs(1));
    life.live(Duration::from_millis(100));
    assert_eq!(show(&mut life).end, Some(RecordingEnd::Shutdown));
    life.end();
}
