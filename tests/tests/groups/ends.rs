//! The end of a group: one stop, one destroy.

use anyhow::Result;
use onair_api::{GroupEnded, SessionState, Source};
use onair_tests::{Http, Rig, TestClient, User, onairctl, send, wait_for};
use serde_json::json;

use super::{RASTER, descriptions, group, states};

/// Two receivers of pictures, `in-video` and `in-video-2`, and the senders of their frames.
fn pictures(rig: &Rig, flags: &str) -> Result<()> {
    let senders = [5004, 5006].map(|udp| {
        let name = format!("out{udp}");
        send(&name, RASTER, udp, Source::Pattern)
    });
    let sdp = descriptions(rig, &senders)?;
    group(rig, &format!("create in --port b {flags} --sdp {sdp}"))?;
    let mut control = rig.control()?;
    senders
        .iter()
        .try_for_each(|it| control.create(it).map(drop))
}

/// A client that has a frame of `in-video-2`, which is stopped then as the whole group.
fn held(rig: &Rig) -> Result<TestClient> {
    let mut client = rig.user("in-video-2")?;
    client.say("hold 1")?;
    group(rig, "stop in")?;
    Ok(client)
}

/// An operator that asks for the end of the group, waits for an hour, and has not been answered.
fn waiting_operator(rig: &Rig) -> Result<Http> {
    let mut operator = rig.control()?.into_http();
    let wait_an_hour = json!({ "deadline_ms": 3_600_000 });
    operator.send("POST", "/v1/groups/in/destroy_wait", &wait_an_hour)?;
    all_are(rig, SessionState::Draining)?;
    Ok(operator)
}

fn all_are(rig: &Rig, state: SessionState) -> Result<()> {
    wait_for(format!("{state} members"), 30, || {
        Ok(states(rig, "in")?.iter().all(|(_, it)| *it == state))
    })?;
    assert_eq!(states(rig, "in")?.len(), 2);
    Ok(())
}

#[test]
fn group_stopped_then_callers_of_all_members_return() -> Result<()> {
    let rig = Rig::rings()?;
    pictures(&rig, "")?;
    let mut control = rig.control()?;
    // Without frames, callers block.
    control.end("out5004")?;
    control.end("out5006")?;
    let mut clients = Vec::new();
    for name in ["in-video", "in-video-2"] {
        let mut client = rig.user(name)?;
        client.say("drain")?;
        client.block(3)?;
        clients.push(client);
    }
    group(&rig, "stop in")?;
    for client in &mut clients {
        client.all_returned(3, "EAGAIN")?;
    }
    all_are(&rig, SessionState::Stopped)?;
    group(&rig, "start in")?;
    all_are(&rig, SessionState::Running)
}

#[test]
fn group_waits_for_its_last_user_then_all_are_destroyed() -> Result<()> {
    let rig = Rig::rings()?;
    pictures(&rig, "")?;
    let mut client = held(&rig)?;
    let ended = std::thread::scope(|scope| -> Result<_> {
        let waits = scope.spawn(|| group(&rig, "destroy in --wait 30s"));
        all_are(&rig, SessionState::Draining)?;
        client.say("put-all")?;
        waits.join().expect("no panic")
    })?;
    let ended: GroupEnded = serde_json::from_str(&ended.out)?;
    let names: Vec<_> = ended
        .certificates
        .iter()
        .map(|it| it.name.as_str())
        .collect();
    assert_eq!(names, ["in-video", "in-video-2"]);
    for certificate in &ended.certificates {
        let verified = onairctl(&rig, &format!("certificate verify {}", certificate.session))?;
        assert_eq!(verified.code, 0, "{verified:?}");
    }
    let gone = onairctl(&rig, "group show in")?;
    assert_eq!(gone.code, 5, "{gone:?}");
    // The names are free.
    rig.control()?.end("out5004")?;
    rig.control()?.end("out5006")?;
    client.leave()?;
    pictures(&rig, "")
}

#[test]
fn daemon_ends_while_a_group_waits_then_each_in_its_turn() -> Result<()> {
    let mut rig = Rig::rings()?;
    pictures(&rig, "")?;
    let client = held(&rig)?;
    let _operator = waiting_operator(&rig)?;
    let pid = client.pid();
    let (code, summary) = rig.terminated()?;
    assert_eq!(code, 4, "process {pid} has a frame: {summary:?}");
    let abandoned = summary.sessions.iter();
    let abandoned = abandoned.filter(|it| it.outcome == onair_api::SessionOutcome::Abandoned);
    assert_eq!(abandoned.count(), 1, "{summary:?}");
    client.kill()
}

const STRANGER: User = User::new(54_321, 54_321);
const VIEWER: User = User::new(54_322, 54_330);

#[test]
fn group_of_others_then_refused_without_the_role_of_operators() -> Result<()> {
    let rig = Rig::rings_with(|config| {
        config.control = "group = \"54330\"\ngroup_role = \"attach\"\n".to_owned();
    })?;
    User::let_in(rig.stage())?;
    pictures(&rig, "")?;
    let new = json!({"name": "mine", "sessions": [{"name": "mine-video", "direction": "receive", "port": "b",
        "video": {"width": 320, "height": 180, "frame_rate": "50", "depth": 8},
        "flow": {"destination": "10.77.0.2:7000"}}]});
    let stage = rig.stage();
    let change = json!({"sessions": [{"name": "in-video", "change": {"flow": {"destination": "10.77.0.2:7000"}}}]});
    let wait = json!({"deadline_ms": 0});
    for (method, path, body) in [
        ("POST", "/v1/groups", &new),
        ("POST", "/v1/groups/in/stop", &json!(null)),
        ("POST", "/v1/groups/in/start", &json!(null)),
        ("PATCH", "/v1/groups/in", &change),
        ("DELETE", "/v1/groups/in", &json!(null)),
        ("POST", "/v1/groups/in/destroy_wait", &wait),
    ] {
        for user in [STRANGER, VIEWER] {
            let (status, answer) = user.ask(stage, method, path, body)?;
            assert_eq!(
                (status, &answer["code"]),
                (403, &json!("forbidden")),
                "{method} {path}"
            );
        }
    }
    for (user, expected) in [(STRANGER, 403), (VIEWER, 200)] {
        let (status, _) = user.ask(stage, "GET", "/v1/groups/in", &json!(null))?;
        assert_eq!(status, expected);
    }
    all_are(&rig, SessionState::Running)
}
