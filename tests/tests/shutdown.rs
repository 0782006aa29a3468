//! The end of the daemon: clean, in order, and told as it was.
#![forbid(unsafe_code)]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use anyhow::{Context as _, Result};
use onair_api::{CertificateList, SessionOutcome, Source};
use onair_tests::{Deadline, Raster, Rig, Viewer, in_order, of, receive, send, signal, until};
use rustix::process::Signal;
use serde_json::Value;

/// A daemon with a session under callers and traffic, ended by a signal.
fn clean_exit(by: Signal, cause: &str) -> Result<()> {
    let mut rig = Rig::rings()?;
    let mut control = rig.control()?;
    control.create(&receive("cam", Raster::SMALL, 5000))?;
    control.create(&send("source", Raster::SMALL, 5000, Source::Pattern))?;
    control.create(&receive("quiet", Raster::SMALL, 5001))?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    viewer.wait(10, Deadline::seconds(30))?;
    let mut client = rig.user("quiet")?;
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
    let (cam, source) = (of(&summary, "cam")?, of(&summary, "source")?);
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
    let mut client = rig.user("short")?;
    until("the session to stop", Deadline::seconds(30), || {
        let state = control.show("short")?.state;
        Ok((state == onair_api::SessionState::Stopped).then_some(()))
    })?;
    assert_eq!(client.errno("get 0")?, "EAGAIN");
    control.start("short")?;
    assert_eq!(client.errno("get 0")?, "ETIMEDOUT");
    Ok(())
}
