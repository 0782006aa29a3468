//! The end of all sessions: who is waited for, and what is done with those that stay.

use std::time::Duration;

use onair_api::operations::{CreateSession, ShowCertificate, ShowSession, StartSession};
use onair_api::{Operation, ProblemCode, ReloadOutcome, SessionOutcome, SessionRef, SessionState};
use onair_engine::inputs::Drained;
use onair_engine::inputs::{Action, Input};
use onair_engine::services::reply::Reply;
use onair_ipc::caller::{Deadline, Lease};
use onair_settings::config::Config;
use serde_json::json;

use onair_sim_machine::life::client::Client;
use onair_sim_machine::life::{Life, cam, session};

/// A sender whose client has a buffer, and a session without users.
fn held(more: &str) -> (Life, Client, Lease) {
    let mut life = Life::with(more);
    life.ask::<CreateSession>((), session("cam", "send", json!({})))
        .unwrap();
    let flow = json!({"port": "b", "flow": {"destination": "239.9.1.2:5004"}});
    life.ask::<CreateSession>((), session("quiet", "receive", flow))
        .unwrap();
    let client = life.attach("cam").unwrap();
    life.live(Duration::from_millis(100));
    let lease = client.attachment.get(Deadline::Now).unwrap();
    (life, client, lease)
}

fn outcome(ended: &Drained, name: &str) -> SessionOutcome {
    let mut all = ended.sessions.iter();
    all.find(|it| it.name.as_str() == name).unwrap().outcome
}

#[test]
fn user_stays_then_its_session_ends_as_the_policy_says() {
    let half = Duration::from_millis(500);
    for (policy, expected, operation) in [
        ("refuse", SessionOutcome::Abandoned, None),
        ("evict", SessionOutcome::Evicted, Some(Operation::Abort)),
        (
            "quarantine",
            SessionOutcome::Quarantined,
            Some(Operation::Quarantine),
        ),
    ] {
        let (mut life, client, _lease) = held(&format!("[shutdown]\npolicy = \"{policy}\"\n"));
        life.shut_down(half);
        let ended = life.end();
        assert_eq!(outcome(&ended, "cam"), expected, "{ended:?}");
        assert_eq!(outcome(&ended, "quiet"), SessionOutcome::Destroyed);
        let blockers = ended.abandoned().flat_map(|it| &it.blockers);
        let blockers: Vec<u32> = blockers.map(|it| it.pid).collect();
        let stays = expected == SessionOutcome::Abandoned;
        assert_eq!(blockers, vec![client.pid; usize::from(stays)]);
        let certificate = life.again().ask::<ShowCertificate>(cam(), ());
        assert_eq!(certificate.map(|it| it.operation).ok(), operation);
    }
}

#[test]
fn session_set_aside_and_freed_at_once_then_not_destroyed() {
    let mut life = Life::with("[shutdown]\npolicy = \"quarantine\"\n");
    life.ask::<CreateSession>((), session("cam", "receive", json!({})))
        .unwrap();
    life.world.set_blind(true);
    life.shut_down(Duration::from_millis(500));
    let ended = life.end();
    assert_eq!(outcome(&ended, "cam"), SessionOutcome::Quarantined);
    let certificate = life.again().ask::<ShowCertificate>(cam(), ());
    assert_eq!(certificate.unwrap().operation, Operation::Quarantine);
}

#[test]
fn sender_finishes_a_frame_then_receivers_stop_after_it() {
    let (mut life, client, lease) = held("");
    client.attachment.submit(lease).unwrap();
    life.live(Duration::from_millis(5));
    life.shut_down(Duration::from_secs(3600));
    let state = |life: &mut Life, name: &str| {
        let of = SessionRef::Name(name.parse().unwrap());
        life.ask::<ShowSession>(of, ()).map(|it| it.state).ok()
    };
    let states = [state(&mut life, "cam"), state(&mut life, "quiet")];
    let [stopped, running] = [SessionState::Stopped, SessionState::Running].map(Some);
    assert_eq!(states, [stopped, running], "the frame is on its way");
    life.live(Duration::from_millis(40));
    assert_eq!(
        [state(&mut life, "cam"), state(&mut life, "quiet")],
        [None; 2]
    );
}

#[test]
fn users_leave_while_it_drains_then_counted_until_the_end() {
    let (mut life, client, lease) = held("");
    life.shut_down(Duration::from_secs(3600));
    life.live(Duration::from_secs(1));
    assert_eq!(life.users(), 1);
    let state = life.ask::<ShowSession>(cam(), ()).unwrap().state;
    assert_eq!(state, SessionState::Draining);
    let refused = life.attach("cam").map(drop).unwrap_err();
    assert_eq!(refused.code, ProblemCode::ShuttingDown);
    client.attachment.put(lease).unwrap();
    let ended = life.end();
    assert_eq!(life.users(), 0);
    assert_eq!(outcome(&ended, "cam"), SessionOutcome::Destroyed);
    assert!(client.attachment.is_service_ending());
}

#[test]
fn session_with_a_duration_then_stops_itself_and_starts_again() {
    let mut life = Life::begin();
    let short = json!({"duration_ms": 200});
    life.ask::<CreateSession>((), session("cam", "receive", short))
        .unwrap();
    life.live(Duration::from_millis(100));
    let state = |life: &mut Life| life.ask::<ShowSession>(cam(), ()).unwrap().state;
    assert_eq!(state(&mut life), SessionState::Running);
    life.live(Duration::from_millis(200));
    assert_eq!(state(&mut life), SessionState::Stopped);
    life.ask::<StartSession>(cam(), ()).unwrap();
    assert_eq!(state(&mut life), SessionState::Running);
}

#[test]
fn file_read_during_the_shutdown_then_nothing_is_taken_of_it() {
    let mut life = Life::begin();
    life.shut_down(Duration::from_secs(1));
    let (reply, answer) = Reply::new();
    let loaded = Ok(Box::<Config>::default());
    life.take(Input::Action(Action::Reload { loaded, reply }));
    let reload = life.wait(answer).unwrap();
    assert_eq!(reload.outcome, ReloadOutcome::Failed);
    assert_eq!(reload.error.as_deref(), Some("the daemon is shutting down"));
}
