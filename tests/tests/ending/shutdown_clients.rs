//! The end of the daemon with clients that are told, leave, die, or do not let go.

use anyhow::{Context as _, Result, ensure};
use onair_api::operations::{ListCertificates, ListSessions};
use onair_api::{Reading, Says, SessionOutcome, ShutdownPhase};
use onair_tests::{
    Breakpoints, Rig, ended_in_order, holding, in_order, of, shutdown_status, signal, unread,
    wait_for,
};
use rustix::process::Signal;

#[test]
fn policy_refuse_and_users_stay_then_named_and_exit_status_4() -> Result<()> {
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 500\n")?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    client.freeze()?;
    let (status, summary) = rig.terminated()?;
    assert_eq!(status, 4, "{summary:#?}");
    in_order(&summary);
    let cam = of(&summary, "cam")?;
    assert_eq!(cam.outcome, SessionOutcome::Abandoned);
    let blockers: Vec<_> = cam.blockers.iter().map(|it| it.pid).collect();
    assert_eq!(blockers, [client.pid()], "{summary:#?}");
    let source = of(&summary, "source")?;
    assert_eq!(source.outcome, SessionOutcome::Destroyed);
    let words = format!("process {} (onair-client)", client.pid());
    assert!(rig.last_log().contains(&words), "{}", rig.last_log());
    client.thaw()?;
    assert_eq!(client.errno("get 0")?, "ESTALE");
    Ok(())
}

#[test]
fn policy_evict_and_quarantine_then_clean_end_that_says_so() -> Result<()> {
    for (policy, outcome) in [
        ("evict", SessionOutcome::Evicted),
        ("quarantine", SessionOutcome::Quarantined),
    ] {
        let mut rig = Rig::rings_and(format!(
            "[shutdown]\npolicy = \"{policy}\"\n[timeouts]\ngraceful_ms = 500\n"
        ))?;
        let mut control = rig.control()?;
        let mut client = holding(&rig, &mut control)?;
        client.freeze()?;
        let (status, summary) = rig.terminated()?;
        assert_eq!(status, 0, "{policy}: {summary:#?}");
        in_order(&summary);
        assert_eq!(of(&summary, "cam")?.outcome, outcome, "{summary:#?}");
        client.thaw()?;
        assert_eq!(client.errno("get 0")?, "ESTALE");
        // Its certificate says what was done.
        rig.start_daemon()?;
        let mut control = rig.control()?;
        let list = control.call::<ListCertificates>(&())?;
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
fn users_leave_or_die_while_draining_then_the_count_falls_to_0() -> Result<()> {
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 60000\n")?;
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
        wait_for(format_args!("{users} users"), 30, || {
            let status = shutdown_status(&mut control)?;
            Ok(status.phase == ShutdownPhase::Draining && status.users == users)
        })
    };
    wait(2)?;
    let refused = first.ask("attach source")?;
    assert_eq!(refused["error"]["errno"], "ESHUTDOWN", "{refused}");
    assert_eq!(first.errno("get 0")?, "EAGAIN", "stopped, not gone yet");
    assert_eq!(first.say("is-ending")?["ending"], true);
    second.kill()?;
    wait(1)?;
    let metrics = rig.scrape()?;
    for line in [
        "onair_shutdown_phase{state=\"draining\"} 1",
        "onair_shutdown_phase_seconds{phase=\"stop_accepting\"} ",
        "onair_shutdown_users 1",
    ] {
        ensure!(metrics.contains(line), "{line} in {metrics}");
    }
    first.say("put-all")?;
    ended_in_order(&mut rig)?;
    assert_eq!(first.errno("get 0")?, "ESTALE");
    assert_eq!(first.say("is-ending")?["ending"], true);
    Ok(())
}

#[test]
fn draining_told_of_a_stopped_session_then_read_before_eagain() -> Result<()> {
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 60000\n")?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    control.receiver("quiet", 5001)?;
    let mut idle = rig.user("quiet")?;
    for session in ["cam", "quiet"] {
        control.stop(session)?;
    }
    for user in [&mut client, &mut idle] {
        let (_, errno) = unread(user)?;
        assert_eq!(errno, "EAGAIN");
        assert_eq!(user.say("is-ending")?["ending"], false);
    }
    signal(&mut rig, Signal::TERM)?;
    wait_for("the one that is idle to be told", 30, || {
        Ok(idle.errno("get 0")? == "ESTALE")
    })?;
    // Its session is destroyed; the other one waits for its user.
    let (kinds, errno) = unread(&mut idle)?;
    assert_eq!(
        (kinds.last().map(String::as_str), &*errno),
        (Some("Draining"), "ESTALE")
    );
    let (kinds, errno) = unread(&mut client)?;
    assert_eq!(
        (kinds.last().map(String::as_str), &*errno),
        (Some("Draining"), "EAGAIN")
    );
    let (kinds, errno) = unread(&mut client)?;
    assert_eq!((kinds.len(), &*errno), (0, "EAGAIN"), "it is told once");
    client.say("put-all")?;
    ended_in_order(&mut rig)?;
    Ok(())
}

#[test]
fn end_waits_for_users_then_the_log_counts_the_seconds_down() -> Result<()> {
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 2500\n")?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    client.freeze()?;
    let (status, _) = rig.terminated()?;
    assert_eq!(status, 4);
    let log = rig.last_log();
    // On a machine that is busy a second may be left out, but not the last one.
    let counted = log
        .lines()
        .filter(|line| line.contains("shutdown: waiting"));
    let counted: Vec<_> = counted.collect();
    assert!((1..=2).contains(&counted.len()), "{log}");
    for part in ["left_s=1", "parts=\"sessions\"", "sessions=1", "users=1"] {
        assert!(
            counted.iter().any(|line| line.contains(part)),
            "{part}: {counted:#?}"
        );
    }
    client.thaw()?;
    Ok(())
}

/// Sessions that empty together are examined together: a client that hides from the probe in one of
/// them holds up that one alone, and one that dies meanwhile is settled in each of its sessions.
#[test]
fn many_sessions_end_amid_a_blind_client_then_each_for_itself() -> Result<()> {
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 60000\n")?;
    let mut control = rig.control()?;
    let names: Vec<String> = (0..24).map(|at| format!("cam{at}")).collect();
    for (name, udp) in names.iter().zip(5000..) {
        control.receiver(name, udp)?;
    }
    let mut users = Vec::new();
    for some in names.chunks(8) {
        let mut user = rig.test_client()?;
        for name in some {
            user.say(format_args!("attach {name}"))?;
            user.block(1)?;
        }
        users.push(user);
    }
    let blind = rig.user(&names[3])?;
    Breakpoints::find(blind.pid())?.scribble_beside()?;
    users[1].freeze()?;
    signal(&mut rig, Signal::TERM)?;
    let mut left = |expected: &[&String]| {
        wait_for(format_args!("{expected:?} to be left"), 30, || {
            let list = control.call::<ListSessions>(&())?;
            let left: Vec<_> = list.sessions.iter().map(|it| it.name.as_str()).collect();
            Ok(left == expected)
        })
    };
    // Those of the frozen process, and the one whose client the probe does not see.
    let frozen: Vec<&String> = names[8..16].iter().collect();
    let expected: Vec<&String> = [&names[3]].into_iter().chain(frozen).collect();
    left(&expected)?;
    assert_eq!(users[2].returned(8)?.len(), 8);
    let dead = users.remove(1);
    let pid = dead.pid();
    dead.kill()?;
    left(&[&names[3]])?;
    blind.leave()?;
    ended_in_order(&mut rig)?;
    rig.start_daemon()?;
    let list = rig.control()?.call::<ListCertificates>(&())?.certificates;
    assert_eq!(list.len(), 24);
    for it in &list {
        let of_dead = names[8..16].iter().any(|name| *name == it.name.as_str());
        let certificate = rig.control()?.certificate(it.name.as_str())?;
        assert!(certificate.disagreements.is_empty(), "{certificate:#?}");
        let pids: Vec<u32> = certificate.reconciled.iter().map(|it| it.pid).collect();
        assert_eq!(pids, vec![pid; usize::from(of_dead)], "{certificate:#?}");
        let mut readings = certificate.readings.iter();
        // Living processes may still have the memory.
        let is_zero = |it: &Reading| it.says == Says::Zero || it.name == "mapping";
        assert!(readings.all(is_zero), "{certificate:#?}");
    }
    Ok(())
}
