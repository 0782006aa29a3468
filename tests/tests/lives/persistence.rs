//! Sessions that come back when the daemon starts anew.

use std::fs;

use anyhow::Result;
use onair_api::operations::StopSession;
use onair_api::{HealthStatus, SessionList, SessionState, SessionView};
use onair_tests::{Raster, Rig, onairctl, receive};
use serde_json::Value;

fn sessions(rig: &Rig) -> Result<Vec<SessionView>> {
    let answer = rig.control()?.get("/v1/sessions?full=true")?;
    let list: SessionList = serde_json::from_value(answer.json)?;
    let views = list.sessions.into_iter().filter_map(|it| it.view);
    Ok(views.map(|view| *view).collect())
}

#[test]
fn session_persistent_then_back_with_a_new_id_and_generation() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut spec = receive("cam", Raster::SMALL, 5000);
    spec.persistent = Some(true);
    let (first, mut client) = {
        let mut control = rig.control()?;
        control.receiver("passing", 5001)?;
        let first = control.create(&spec)?;
        assert!(first.persistent);
        control.stop("cam")?;
        control.start("cam")?;
        let client = rig.user("cam")?;
        (first, client)
    };
    rig.stop_daemon()?;
    rig.start_daemon()?;
    let [second] = &sessions(&rig)?[..] else {
        panic!("one session, {:?}", sessions(&rig)?)
    };
    assert_eq!(
        (second.name.to_string(), second.state, second.quota),
        ("cam".into(), SessionState::Running, first.quota)
    );
    assert!(second.id.0 > first.id.0);
    // The old handle stays stale, by the call and by its id; a new one works.
    assert_eq!(client.errno("get 0")?, "ESTALE");
    let old = rig.control()?.try_show(first.id)?;
    assert_eq!(old.code(), "stale_session");
    client.say("attach cam")?;
    client.say("detach")?;

    // By whom it was stopped, stopped; by a kill nothing is forgotten.
    rig.control()?.stop("cam")?;
    rig.kill_daemon()?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let third = control.show("cam")?;
    assert_eq!(third.state, SessionState::Stopped);
    assert!(third.id.0 > second.id.0);
    control.start("cam")?;
    let certificate = control.end("cam")?;
    // 1 and 2 before, 3 after the first restart.
    assert!(certificate.generation > 3, "{}", certificate.generation);

    // Destroyed by a user: it does not come back.
    drop(control);
    rig.stop_daemon()?;
    rig.start_daemon()?;
    assert!(sessions(&rig)?.is_empty());
    Ok(())
}

/// Kills the daemon amid four stopped sessions, and ends each in another way after the restart.
#[test]
fn session_came_back_stopped_then_each_ending_is_certified() -> Result<()> {
    const NAMES: [&str; 4] = ["destroyed", "aborted", "aside", "left"];
    let mut rig = Rig::rings()?;
    let mut before = Vec::new();
    let mut control = rig.control()?;
    for (port, name) in (5000..).zip(NAMES) {
        let mut spec = receive(name, Raster::SMALL, port);
        spec.persistent = Some(true);
        before.push(control.create(&spec)?.id);
        control.stop(name)?;
        // The first stop is the one that counts.
        control.stop(name)?;
    }
    rig.kill_daemon()?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let back = control.show("left")?;
    assert_eq!(back.state, SessionState::Stopped);
    let mut certificates = vec![
        control.destroy("destroyed")?,
        control.abort("aborted")?,
        control.quarantine("aside")?,
    ];
    rig.stop_daemon()?;
    rig.start_daemon()?;
    let mut control = rig.control()?;
    certificates.push(control.certificate("left")?);
    for ((certificate, name), before) in certificates.iter().zip(NAMES).zip(before) {
        let ran = onairctl(&rig, &format!("certificate verify {name}"))?;
        assert_eq!(ran.code, 0, "{ran:?}");
        let told = certificate.stopped_before.as_ref();
        assert_eq!(told.map(|it| it.session), Some(before), "{certificate:?}");
        assert!(ran.out.contains(&before.to_string()), "{ran:?}");
    }
    assert!(back.stopped_at.is_some(), "{back:?}");
    let log = rig.daemon()?.log();
    assert!(!log.contains("a certificate is invalid"), "{log}");
    // What this daemon has started and stopped is its own to tell.
    control.start("left")?;
    let certificate = control.end("left")?;
    assert_eq!(certificate.stopped_before, None);
    let ran = onairctl(&rig, "certificate verify left")?;
    assert_eq!(ran.code, 0, "{ran:?}");
    Ok(())
}

#[test]
fn session_persistent_and_a_full_disk_then_it_works_and_says_so() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    let mut spec = receive("cam", Raster::SMALL, 5000);
    spec.persistent = Some(true);
    let folder = rig.stage().directory().join("state/sessions");
    fs::rename(&folder, folder.with_extension("away"))?;
    let answer = control.try_create(&spec)?;
    assert_eq!(answer.code(), "disk_failed", "{}", answer.json);
    assert_eq!(control.show("cam")?.state, SessionState::Running);
    let answer = control.try_on::<StopSession>("cam", Value::Null)?;
    assert_eq!(answer.code(), "disk_failed", "{}", answer.json);
    assert_eq!(control.show("cam")?.state, SessionState::Stopped);
    // Asked again, it is written.
    fs::rename(folder.with_extension("away"), &folder)?;
    control.stop("cam")?;
    rig.kill_daemon()?;
    rig.start_daemon()?;
    assert_eq!(rig.control()?.show("cam")?.state, SessionState::Stopped);
    Ok(())
}

#[test]
fn session_of_the_configuration_then_there_at_each_start() -> Result<()> {
    let mut rig = Rig::rings_and(
        "[[session]]\nname = \"cam\"\ndirection = \"receive\"\nport = \"b\"\n\
            video = { width = 320, height = 180, frame_rate = \"60/1\", depth = 8 }\n\
            flow = { destination = \"10.77.0.2:5000\" }\n",
    )?;
    assert_eq!(rig.control()?.show("cam")?.state, SessionState::Running);
    let mut control = rig.control()?;
    control.end("cam")?;
    drop(control);
    rig.stop_daemon()?;
    rig.start_daemon()?;
    assert_eq!(rig.control()?.show("cam")?.state, SessionState::Running);
    rig.stop_daemon()?;
    let mut without = rig.config.clone();
    without.more.clear();
    rig.config = without;
    rig.start_daemon()?;
    assert!(sessions(&rig)?.is_empty());
    Ok(())
}

#[test]
fn state_invalid_then_set_aside_and_named_and_the_daemon_starts() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut spec = receive("gone", Raster::SMALL, 5000);
    spec.persistent = Some(true);
    rig.control()?.create(&spec)?;
    rig.stop_daemon()?;
    let state = rig.stage().directory().join("state");
    fs::write(state.join("sessions/bad.json"), "{\"spec\": 7}")?;
    fs::write(state.join("resources.json"), "\u{0}\u{0}")?;
    // It holds, and its port is no more.
    let file = state.join("sessions/gone.json");
    let mut kept: Value = serde_json::from_slice(&fs::read(&file)?)?;
    kept["spec"]["port"] = "z".into();
    fs::write(&file, kept.to_string())?;
    rig.start_daemon()?;
    assert!(state.join("sessions/bad.json.corrupt").exists());
    assert!(state.join("resources.json.corrupt").exists());
    let log = rig.daemon()?.log();
    assert!(log.contains("bad.json.corrupt"), "{log}");
    let health = rig.control()?.health()?;
    assert_eq!(health.status, HealthStatus::Degraded);
    let told = health
        .problems
        .iter()
        .any(|it| it.contains("session gone does not come back"));
    assert!(told, "{:?}", health.problems);
    Ok(())
}
