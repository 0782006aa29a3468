//! The end of the daemon: by signals of every kind, by request, and with clients that do not let go.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{
    CertificateList, PartOutcome, SessionOutcome, ShutdownPhase, ShutdownStatus, ShutdownSummary,
    Source,
};
use onair_stage::Config;
use onair_tests::{
    Control, Deadline, Dice, Footprint, Puppet, Raster, Rig, Viewer, output, receive, send, until,
};
use rustix::process::Signal;
use serde_json::Value;

/// A uid and gid that nobody has.
const STRANGER: u32 = 54_321;

fn user(rig: &Rig, session: &str) -> Result<Puppet> {
    let mut user = rig.puppet()?;
    user.say(format_args!("attach {session}"))?;
    Ok(user)
}

fn signal(rig: &mut Rig, signal: Signal) -> Result<()> {
    rig.daemon()?.running().signal(signal)
}

fn status(control: &mut Control) -> Result<ShutdownStatus> {
    control.get("/v1/shutdown")?.document()
}

/// Every phase is there once, in order and timed, and every part ended in order.
fn in_order(summary: &ShutdownSummary) {
    let phases: Vec<_> = summary.phases.iter().map(|it| it.phase).collect();
    assert_eq!(phases, ShutdownPhase::ALL[1..], "{summary:#?}");
    for part in &summary.parts {
        assert_eq!(part.outcome, PartOutcome::Done, "{part:?}");
    }
    for thread in &summary.threads {
        assert!(thread.stopped && thread.panic.is_none(), "{thread:?}");
    }
    for name in [
        "clients",
        "sessions",
        "sockets",
        "requests in flight",
        "certificates",
        "pollers and ports",
        "probe",
        "undertaker",
        "control thread",
        "kernel-visible resources",
    ] {
        let found = summary.parts.iter().any(|part| part.name == name);
        assert!(found, "{name} is not accounted for: {:#?}", summary.parts);
    }
}

/// A daemon with a session under callers and traffic, ended by a signal.
fn clean_exit(by: Signal, cause: &str) -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    control.create(&receive("quiet", Raster::SMALL, 5001))?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    viewer.wait(10, Deadline::seconds(30))?;
    let mut client = user(&rig, "quiet")?;
    client.block(4)?;
    signal(&mut rig, by)?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!((status, summary.exit_status), (0, 0), "{summary:#?}");
    assert_eq!(summary.cause, cause);
    in_order(&summary);
    assert!(!summary.forced);
    let ends = summary.sessions.iter().map(|it| it.outcome);
    assert!(ends.eq([SessionOutcome::Destroyed; 3]), "{summary:#?}");
    for (_, result) in client.returned(4)? {
        assert!(matches!(result.as_str(), "EAGAIN" | "ESTALE"), "{result}");
    }
    // The event came before the calls said so.
    assert_eq!(client.errno("get 0")?, "ESTALE");
    Ok(())
}

#[test]
fn system__ctrl_c__then_clean_exit() -> Result<()> {
    clean_exit(Signal::INT, "SIGINT")
}

#[test]
fn system__sigterm__then_clean_exit() -> Result<()> {
    clean_exit(Signal::TERM, "SIGTERM")
}

#[test]
fn shutdown_summary__stats__then_accurate() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    viewer.wait(30, Deadline::seconds(30))?;
    signal(&mut rig, Signal::TERM)?;
    let (_, summary) = rig.daemon_ends()?;
    in_order(&summary);
    let of = |name: &str| {
        let found = summary.sessions.iter().find(|it| it.name.as_str() == name);
        found.with_context(|| format!("{name} in {summary:#?}"))
    };
    let (cam, source) = (of("cam")?, of("source")?);
    let port = |name: &str, counter: &str| {
        let port = summary.ports.iter().find(|it| it.name == name);
        port.and_then(|it| it.counters.get(counter).copied())
            .unwrap_or_default()
    };
    // What was sent arrived, or its port dropped it because the shutdown had begun.
    assert!(source.frames >= 30 && cam.frames >= 30);
    assert!(cam.frames <= source.frames, "{summary:#?}");
    assert!(source.packets >= cam.packets);
    let poller = summary.threads.iter().find(|it| it.name.contains("p0"));
    let poller = poller.context("the poller")?;
    let packets = |name: &str| port(name, "rx_packets") + port(name, "tx_packets");
    assert_eq!(
        packets("a") + packets("b"),
        poller.processed,
        "{summary:#?}"
    );
    let unclaimed = port("b", "rx_no_session") + port("b", "rx_other");
    assert_eq!(
        cam.packets + unclaimed + poller.dropped_by_shutdown + port("b", "arp_answered"),
        port("b", "rx_packets"),
        "{summary:#?}"
    );
    // The certificates, which the next daemon shows, say the same.
    assert_eq!(summary.destroyed, 2);
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let list: CertificateList = control.get("/v1/certificates")?.document()?;
    for session in &summary.sessions {
        assert!(list.certificates.iter().any(|it| it.session == session.id));
        let path = format!("/v1/sessions/{}/certificate", session.id);
        let certificate: Value = control.get(&path)?.document()?;
        let traffic = &certificate["frames"];
        assert_eq!(traffic["packets"], session.packets, "{certificate:#}");
    }
    Ok(())
}

#[test]
fn shutdown_summary__stderr__then_visible() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    signal(&mut rig, Signal::TERM)?;
    let (_, summary) = rig.daemon_ends()?;
    // Standard error goes into the log on a stage.
    let log = rig.last_log();
    let head = format!(
        "onaird {} (pid {}) ended: SIGTERM",
        summary.version, summary.pid
    );
    assert!(log.contains(&head), "{log}");
    for part in &summary.parts {
        assert!(log.contains(&format!("    {}", part.name)), "{}", part.name);
    }
    assert!(log.contains("cam                  destroyed"), "{log}");
    Ok(())
}

#[test]
fn shutdown__concurrent_signals__then_single_shutdown() -> Result<()> {
    let mut rig = Rig::rings_with(|config| {
        config.more = "[shutdown]\ndebounce_ms = 60000\n".into();
    })?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    let mut client = user(&rig, "cam")?;
    client.block(2)?;
    let pid = rig.daemon()?.pid();
    let storm = "while kill -TERM $0 2>/dev/null && kill -INT $0 2>/dev/null; do :; done";
    let mut senders = Vec::new();
    for _ in 0..8 {
        let sender = Command::new("timeout")
            .args(["60", "sh", "-c", storm, &pid.to_string()])
            .spawn()
            .context("a sender of signals")?;
        senders.push(sender);
    }
    let ended = rig.daemon_ends();
    for sender in &mut senders {
        sender.wait()?;
    }
    let (status, summary) = ended?;
    assert_eq!(status, 0, "{summary:#?}");
    in_order(&summary);
    assert!(!summary.forced);
    let log = rig.last_log();
    assert_eq!(log.matches("phase=draining").count(), 1, "{log}");
    Ok(())
}

#[test]
fn signals__second_after_the_first_was_acknowledged__then_forced_with_its_status() -> Result<()> {
    let mut rig = Rig::rings_with(|config| {
        config.more = "[shutdown]\ndebounce_ms = 10\n[timeouts]\ngraceful_ms = 600000\n".into();
    })?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
    client.freeze()?;
    signal(&mut rig, Signal::TERM)?;
    until("the drain", Deadline::seconds(30), || {
        let status = status(&mut control)?;
        Ok((status.phase == ShutdownPhase::Draining && status.users > 0).then_some(()))
    })?;
    // The acknowledgement came before the drain; this is ten times the debounce.
    std::thread::sleep(Duration::from_millis(100));
    signal(&mut rig, Signal::TERM)?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 5, "{summary:#?}");
    assert!(summary.forced && summary.us < 600_000_000);
    let abandoned = summary
        .sessions
        .iter()
        .find(|it| it.outcome == SessionOutcome::Abandoned);
    let abandoned = abandoned.context("it was still in use")?;
    assert_eq!(abandoned.name.as_str(), "cam");
    assert!(rig.last_log().contains("a second signal"));
    client.thaw()?;
    assert_eq!(client.errno("get 0")?, "ESTALE");
    Ok(())
}

/// A client that holds a frame of the session `cam`.
fn holding(rig: &Rig, control: &mut Control) -> Result<Puppet> {
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    let mut client = user(rig, "cam")?;
    client.say("hold 1")?;
    Ok(client)
}

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
    let end = |name: &str| summary.sessions.iter().find(|it| it.name.as_str() == name);
    let cam = end("cam").context("cam")?;
    assert_eq!(cam.outcome, SessionOutcome::Abandoned);
    let blockers: Vec<_> = cam.blockers.iter().map(|it| it.pid).collect();
    assert_eq!(blockers, [client.pid()], "{summary:#?}");
    let source = end("source").context("source")?;
    assert_eq!(source.outcome, SessionOutcome::Destroyed);
    let words = format!("process {} (onair-puppet)", client.pid());
    assert!(rig.last_log().contains(&words), "{}", rig.last_log());
    client.thaw()?;
    assert_eq!(client.errno("get 0")?, "ESTALE");
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
    let mut second = user(&rig, "cam")?;
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
            let status = status(&mut control)?;
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

#[test]
fn sessions__by_priority__then_the_lowest_number_goes_first() -> Result<()> {
    let mut rig = Rig::rings_with(|config| {
        config.more = "[timeouts]\ngraceful_ms = 60000\n".into();
    })?;
    let mut control = rig.control()?;
    for (name, udp, priority) in [("late", 5001, 90), ("early", 5002, 10), ("plain", 5003, 50)] {
        let mut spec = receive(name, Raster::SMALL, udp);
        spec.priority = Some(priority);
        control.create(&spec)?;
    }
    signal(&mut rig, Signal::TERM)?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0);
    let order: Vec<_> = summary.sessions.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(order, ["early", "plain", "late"]);
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let list: CertificateList = control.get("/v1/certificates")?.document()?;
    let mut issued: Vec<_> = list
        .certificates
        .iter()
        .map(|it| (it.issued_at, it.name.as_str()))
        .collect();
    issued.sort();
    let order: Vec<_> = issued.iter().map(|it| it.1).collect();
    assert_eq!(order, ["early", "plain", "late"]);
    Ok(())
}

#[test]
fn session__with_a_duration__then_stopped_by_itself_and_goes_on_when_started() -> Result<()> {
    let rig = Rig::rings()?;
    let mut control = rig.control()?;
    let mut spec = receive("short", Raster::SMALL, 5000);
    spec.duration_ms = Some(200);
    control.create(&spec)?;
    let mut client = user(&rig, "short")?;
    until("the session to stop", Deadline::seconds(30), || {
        let state = control.show("short")?.state;
        Ok((state == onair_api::SessionState::Stopped).then_some(()))
    })?;
    assert_eq!(client.errno("get 0")?, "EAGAIN");
    control.start("short")?;
    assert_eq!(client.errno("get 0")?, "ETIMEDOUT");
    Ok(())
}

/// curl, as an operator types it: status and body.
fn curl(rig: &Rig, uid: Option<u32>, method: &str) -> Result<(u16, Value)> {
    let mut command = Command::new("curl");
    command
        .args(["-s", "-w", "\n%{http_code}", "-X", method, "--unix-socket"])
        .arg(Config::control_socket(rig.stage()))
        .arg("http://localhost/v1/shutdown");
    if let Some(uid) = uid {
        command.uid(uid).gid(uid);
    }
    let output = command.output().context("curl")?;
    ensure!(output.status.success(), "curl: {output:?}");
    let text = String::from_utf8(output.stdout)?;
    let (body, code) = text.rsplit_once('\n').context("two parts")?;
    Ok((code.parse()?, serde_json::from_str(body)?))
}

/// Lets everybody connect, whatever the directories above say: by a link of their own.
fn open_to_all(rig: &Rig) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let socket = Config::control_socket(rig.stage());
    std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o666))?;
    let mut folder = rig.stage().directory();
    loop {
        let mode = std::fs::metadata(folder)?.permissions().mode();
        ensure!(
            mode & 0o001 != 0 || folder == rig.stage().directory(),
            "{}",
            folder.display()
        );
        if mode & 0o001 == 0 {
            std::fs::set_permissions(folder, std::fs::Permissions::from_mode(mode | 0o001))?;
        }
        match folder.parent() {
            Some(parent) => folder = parent,
            None => return Ok(()),
        }
    }
}

#[test]
fn request__by_a_stranger_and_by_root__then_forbidden_and_accepted() -> Result<()> {
    let mut rig = Rig::rings()?;
    open_to_all(&rig)?;
    let (code, problem) = curl(&rig, Some(STRANGER), "POST")?;
    assert_eq!((code, problem["code"].as_str()), (403, Some("forbidden")));
    let (code, before) = curl(&rig, Some(STRANGER), "GET")?;
    assert_eq!((code, before["phase"].as_str()), (200, Some("running")));
    let (code, begun) = curl(&rig, None, "POST")?;
    assert_eq!(code, 202, "{begun}");
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0);
    in_order(&summary);
    assert!(summary.cause.contains("curl"), "{}", summary.cause);
    Ok(())
}

#[test]
fn sessions__64_with_callers_and_traffic_terminated_at_random_moments__then_each_is_clean()
-> Result<()> {
    // As many as CI has time for; 50 with the variable set.
    let rounds = std::env::var("ONAIR_SHUTDOWN_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(4);
    let mut dice = Dice::new(0x5eed_0064);
    let mut rig = Rig::rings_with(|config| {
        config.more = "[timeouts]\ngraceful_ms = 60000\n".into();
    })?;
    for round in 0..rounds {
        let mut control = rig.control()?;
        let mut clients = Vec::new();
        for number in 0..60 {
            let name = format!("cam-{number}");
            control.create(&receive(&name, Raster::new(32, 16, 60, 8), 6000 + number))?;
        }
        for number in 0..4 {
            let (cam, source) = (format!("tv-{number}"), format!("source-{number}"));
            let raster = Raster::new(64, 32, 60, 8);
            control.create(&receive(&cam, raster, 5000 + number))?;
            control.create(&send(&source, raster, 5000 + number, Source::Pattern))?;
        }
        // One process for many sessions, each with a blocked caller.
        for first in [0, 20, 40] {
            let mut client = rig.puppet()?;
            for number in first..first + 20 {
                client.say(format_args!("attach cam-{number}"))?;
                client.block(1)?;
            }
            clients.push(client);
        }
        let moment = dice.roll(300);
        std::thread::sleep(Duration::from_millis(moment));
        signal(&mut rig, Signal::TERM)?;
        let (status, summary) = rig.daemon_ends()?;
        assert_eq!(status, 0, "round {round}, after {moment} ms: {summary:#?}");
        in_order(&summary);
        let destroyed = summary.sessions.iter();
        let destroyed = destroyed.filter(|it| it.outcome == SessionOutcome::Destroyed);
        assert_eq!(destroyed.count(), 68);
        for client in &mut clients {
            for (_, result) in client.returned(20)? {
                assert!(matches!(result.as_str(), "EAGAIN" | "ESTALE"), "{result}");
            }
        }
        rig.start_daemon()?;
    }
    Ok(())
}

#[test]
fn shutdown__memory_usage__then_no_leaks() -> Result<()> {
    // As many as CI has time for; 200 with the variable set.
    let cycles = std::env::var("ONAIR_LEAK_CYCLES")
        .ok()
        .and_then(|cycles| cycles.parse().ok())
        .unwrap_or(30);
    let mut rig = Rig::rings()?;
    let cycle = |rig: &Rig| -> Result<()> {
        let mut control = rig.control()?;
        control.create(&receive("cam", Raster::SMALL, 5000))?;
        let mut client = user(rig, "cam")?;
        client.block(1)?;
        control.stop("cam")?;
        client.returned(1)?;
        client.leave()?;
        control.destroy_wait("cam")?;
        Ok(())
    };
    // What is kept for the next one is kept once.
    for _ in 0..3 {
        cycle(&rig)?;
    }
    let pid = rig.daemon()?.pid();
    let mut before = Footprint::of(pid)?;
    // A look at a client's files has a thread of its own, for as long as another may follow.
    before.threads += 2;
    for _ in 0..cycles {
        cycle(&rig)?;
    }
    before.wait_regained(pid)?;
    signal(&mut rig, Signal::TERM)?;
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0);
    in_order(&summary);
    assert_eq!(summary.destroyed, cycles + 3);
    for socket in [
        Config::control_socket(rig.stage()),
        Config::attach_socket(rig.stage()),
    ] {
        assert!(!socket.exists(), "{} is left", socket.display());
    }
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
        let cam = summary.sessions.iter().find(|it| it.name.as_str() == "cam");
        assert_eq!(cam.context("cam")?.outcome, outcome, "{summary:#?}");
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
fn signals__usr1__then_sessions_and_who_is_in_them_on_standard_error() -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    let mut client = user(&rig, "cam")?;
    client.block(1)?;
    signal(&mut rig, Signal::USR1)?;
    let dump: Value = until("the dump", Deadline::seconds(30), || {
        let log = rig.daemon()?.log();
        let mut lines = log.lines();
        let dump = lines.find_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(dump.filter(|dump| !dump["control"].is_null()))
    })?;
    assert_eq!(dump["shutdown"]["phase"], "running");
    assert_eq!(dump["control"]["health"]["live"], true);
    let [cam] = &dump["control"]["sessions"].as_array().context("sessions")?[..] else {
        panic!("one: {dump:#}");
    };
    assert_eq!(cam["session"]["name"], "cam");
    assert_eq!(cam["blockers"][0]["pid"], client.pid(), "{cam:#}");
    assert_eq!(control.show("cam")?.name.as_str(), "cam", "it serves on");
    Ok(())
}
