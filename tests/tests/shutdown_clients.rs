//! The end of the daemon with clients that are told, leave, die, or do not let go.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use anyhow::{Context as _, Result, ensure};
use onair_api::{CertificateList, SessionOutcome, ShutdownPhase};
use onair_stage::Config;
use onair_tests::{
    Deadline, Puppet, Raster, Rig, holding, in_order, of, output, receive, shutdown_status, signal,
    until,
};
use rustix::process::Signal;

#[test]
fn policy__refuse_and_users_that_do_not_leave__then_named_and_status_4() -> Result<()> {
    let mut rig = Rig::rings_with(|config| {
        config.more = "[timeouts]\ngraceful_ms = 500\n".into();
    })?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    client.freeze()?;
    signal(&mut rig, Signal::TERM)?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 4, "{summary:#?}");
    in_order(&summary);
    let cam = of(&summary, "cam")?;
    assert_eq!(cam.outcome, SessionOutcome::Abandoned);
    let blockers: Vec<_> = cam.blockers.iter().map(|it| it.pid).collect();
    assert_eq!(blockers, [client.pid()], "{summary:#?}");
    let source = of(&summary, "source")?;
    assert_eq!(source.outcome, SessionOutcome::Destroyed);
    let words = format!("process {} (onair-puppet)", client.pid());
    assert!(rig.last_log().contains(&words), "{}", rig.last_log());
    client.thaw()?;
    assert_eq!(client.errno("get 0")?, "ESTALE");
    Ok(())
}

#[test]
fn policy__evict_and_quarantine__then_the_daemon_ends_clean_and_says_so() -> Result<()> {
    for (policy, outcome) in [
        ("evict", SessionOutcome::Evicted),
        ("quarantine", SessionOutcome::Quarantined),
    ] {
        let mut rig = Rig::rings_with(|config| {
            config.more =
                format!("[shutdown]\npolicy = \"{policy}\"\n[timeouts]\ngraceful_ms = 500\n");
        })?;
        let mut control = rig.control()?;
        let mut client = holding(&rig, &mut control)?;
        client.freeze()?;
        signal(&mut rig, Signal::TERM)?;
        let (status, summary) = rig.daemon_ends()?;
        assert_eq!(status, 0, "{policy}: {summary:#?}");
        in_order(&summary);
        assert_eq!(of(&summary, "cam")?.outcome, outcome, "{summary:#?}");
        client.thaw()?;
        assert_eq!(client.errno("get 0")?, "ESTALE");
        // Its certificate says what was done.
        rig.start_daemon()?;
        let mut control = rig.control()?;
        let list: CertificateList = control.get("/v1/certificates")?.document()?;
        let operation = list
            .certificates
            .iter()
            .find(|it| it.name.as_str() == "cam");
        let operation = operation.context("a certificate")?.operation;
        let expected = match outcome {
            SessionOutcome::Evicted => onair_api::Operation::Abort,
            _ => onair_api::Operation::Quarantine,
        };
        assert_eq!(operation, expected);
    }
    Ok(())
}

#[test]
fn users__leave_or_are_killed_while_draining__then_the_count_falls_and_all_is_clean() -> Result<()>
{
    let mut rig = Rig::rings_with(|config| {
        config.more = "[timeouts]\ngraceful_ms = 60000\n".into();
    })?;
    let mut control = rig.control()?;
    let mut first = holding(&rig, &mut control)?;
    let mut second = rig.user("cam")?;
    second.say("hold 1")?;
    control.stop("cam")?;
    assert_eq!(first.errno("get 0")?, "EAGAIN");
    assert_eq!(
        first.say("is-ending")?["ending"],
        false,
        "the session alone"
    );
    signal(&mut rig, Signal::TERM)?;
    let mut wait = |users: u64| {
        until(format_args!("{users} users"), Deadline::seconds(30), || {
            let status = shutdown_status(&mut control)?;
            Ok((status.phase == ShutdownPhase::Draining && status.users == users).then_some(()))
        })
    };
    wait(2)?;
    let refused = first.ask("attach source")?;
    assert_eq!(refused["error"]["errno"], "ESHUTDOWN", "{refused}");
    assert_eq!(first.errno("get 0")?, "EAGAIN", "stopped, not gone yet");
    assert_eq!(first.say("is-ending")?["ending"], true);
    second.kill()?;
    wait(1)?;
    let socket = Config::control_socket(rig.stage());
    let socket = socket.to_str().context("a path in UTF-8")?;
    let url = "http://localhost/metrics";
    let metrics = output("curl", &["-sf", "--unix-socket", socket, url])?;
    for line in [
        "onair_shutdown_phase{state=\"draining\"} 1",
        "onair_shutdown_phase_seconds{phase=\"stop_accepting\"} ",
        "onair_shutdown_users 1",
    ] {
        ensure!(metrics.contains(line), "{line} in {metrics}");
    }
    first.say("put-all")?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0, "{summary:#?}");
    in_order(&summary);
    assert_eq!(first.errno("get 0")?, "ESTALE");
    assert_eq!(first.say("is-ending")?["ending"], true);
    Ok(())
}

/// What a client reads, one event after the other, until there is a refusal: that.
fn read(client: &mut Puppet) -> Result<(Vec<String>, String)> {
    let mut kinds = Vec::new();
    loop {
        let answer = client.ask("poll 0")?;
        match answer["kind"].as_str() {
            Some(kind) => kinds.push(kind.to_owned()),
            None => {
                let errno = answer["error"]["errno"].as_str();
                return Ok((kinds, errno.unwrap_or_default().to_owned()));
            }
        }
    }
}

#[test]
fn draining__told_of_a_session_stopped_long_before__then_read_before_eagain_and_before_estale()
-> Result<()> {
    let mut rig = Rig::rings_with(|config| {
        config.more = "[timeouts]\ngraceful_ms = 60000\n".into();
    })?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    control.create(&receive("quiet", Raster::SMALL, 5001))?;
    let mut idle = rig.user("quiet")?;
    for session in ["cam", "quiet"] {
        control.stop(session)?;
    }
    for user in [&mut client, &mut idle] {
        let (_, errno) = read(user)?;
        assert_eq!(errno, "EAGAIN");
        assert_eq!(user.say("is-ending")?["ending"], false);
    }
    signal(&mut rig, Signal::TERM)?;
    until(
        "the one that is idle to be told",
        Deadline::seconds(30),
        || Ok((idle.errno("get 0")? == "ESTALE").then_some(())),
    )?;
    // Its session is destroyed; the other one waits for its user.
    let (kinds, errno) = read(&mut idle)?;
    assert_eq!(
        (kinds.last().map(String::as_str), &*errno),
        (Some("Draining"), "ESTALE")
    );
    let (kinds, errno) = read(&mut client)?;
    assert_eq!(
        (kinds.last().map(String::as_str), &*errno),
        (Some("Draining"), "EAGAIN")
    );
    let (kinds, errno) = read(&mut client)?;
    assert_eq!((kinds.len(), &*errno), (0, "EAGAIN"), "it is told once");
    client.say("put-all")?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0, "{summary:#?}");
    in_order(&summary);
    Ok(())
}
