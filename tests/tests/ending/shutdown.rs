//! The end of the daemon: clean, in order, and told as it was.

use std::process::Command;

use anyhow::{Context as _, Result};
use onair_api::operations::ListCertificates;
use onair_api::{SessionOutcome, SessionSummary, ShutdownPhase};
use onair_tests::{
    Deadline, Rig, Viewer, await_drain, ended_in_order, holding, in_order, of, output,
    shutdown_status, signal, unread,
};
use rustix::process::Signal;
use serde_json::Value;

/// A daemon with a session under callers and traffic, ended by a signal.
fn clean_exit(by: Signal, cause: &str) -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    control.pattern("source", 5000)?;
    control.receiver("quiet", 5001)?;
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
    // The session is destroyed only when they have left: each of them sees that it stops.
    client.all_returned(4, "EAGAIN")?;
    assert_eq!(client.errno("get 0")?, "ESTALE");
    let (kinds, errno) = unread(&mut client)?;
    let told = kinds.iter().filter(|kind| *kind == "Draining").count();
    assert_eq!((told, &*errno), (1, "ESTALE"), "{kinds:?}");
    assert_eq!(client.say("is-ending")?["ending"], true);
    Ok(())
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn system__ctrl_c__then_clean_exit() -> Result<()> {
    clean_exit(Signal::INT, "SIGINT")
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn system__sigterm__then_clean_exit() -> Result<()> {
    clean_exit(Signal::TERM, "SIGTERM")
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_summary__stats__then_accurate() -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    control.pattern("source", 5000)?;
    let mut viewer = Viewer::start(&rig, "cam")?;
    viewer.wait(30, Deadline::seconds(30))?;
    let (_, summary) = rig.terminated()?;
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
    let carried = poller.traffic.as_ref().context("what it carried")?;
    assert_eq!(carried.frames, cam.frames + source.frames, "{summary:#?}");
    assert_eq!(carried.bytes, cam.bytes + source.bytes);
    let dropped = |session: &SessionSummary| session.drops.values().sum::<u64>();
    assert_eq!(
        carried.drops.values().sum::<u64>(),
        dropped(cam) + dropped(source)
    );
    let archive = rig.stage().directory().join("state/certificates");
    for session in [cam, source] {
        let certificate = session.certificate.as_ref().context("its certificate")?;
        let text = std::fs::read(archive.join(certificate))?;
        let certificate: Value = serde_json::from_slice(&text)?;
        assert_eq!(certificate["name"], session.name.as_str());
    }
    // The certificates, which the next daemon shows, say the same.
    assert_eq!(summary.destroyed, 2);
    rig.start_daemon()?;
    let mut control = rig.control()?;
    let list = control.call::<ListCertificates>(&())?;
    for session in &summary.sessions {
        assert!(list.certificates.iter().any(|it| it.session == session.id));
        let certificate = control.certificate(session.id)?;
        assert_eq!(
            certificate.frames.packets, session.packets,
            "{certificate:#?}"
        );
    }
    Ok(())
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_summary__stderr__then_visible() -> Result<()> {
    let (mut rig, _control) = Rig::with_cam()?;
    let (_, summary) = rig.terminated()?;
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
fn daemon_with_a_duration_then_ends_by_itself_and_says_why() -> Result<()> {
    let mut rig = Rig::rings_as(
        |_| {},
        |command| {
            command.args(["--duration", "500ms"]);
        },
    )?;
    let summary = ended_in_order(&mut rig)?;
    assert_eq!(summary.cause, "--duration of 500ms has passed");
    Ok(())
}

/// Whether an interface of the stage is promiscuous, or has an XDP program.
fn is_touched(rig: &Rig, interface: &str) -> Result<bool> {
    let namespace = rig.stage().namespace();
    let show = [
        "-json", "-details", "-n", namespace, "link", "show", interface,
    ];
    let all: Value = serde_json::from_str(&output("ip", &show)?)?;
    let flags = all[0]["flags"].as_array().context("flags")?;
    Ok(flags.iter().any(|flag| flag == "PROMISC") || !all[0]["xdp"]["prog"].is_null())
}

#[test]
fn system_sigterm_under_af_xdp_traffic_then_clean_interfaces() -> Result<()> {
    let mut rig = Rig::pair()?;
    assert!(is_touched(&rig, "va")? && is_touched(&rig, "vb")?);
    for _ in 0..2 {
        let mut control = rig.control()?;
        control.receiver("cam", 5000)?;
        control.pattern("source", 5000)?;
        let mut viewer = Viewer::start(&rig, "cam")?;
        viewer.wait(20, Deadline::seconds(30))?;
        signal(&mut rig, Signal::TERM)?;
        let summary = ended_in_order(&mut rig)?;
        let (cam, source) = (of(&summary, "cam")?, of(&summary, "source")?);
        for session in [cam, source] {
            assert_eq!(session.outcome, SessionOutcome::Destroyed);
            assert!(session.frames >= 20 && session.packets > 0, "{summary:#?}");
        }
        assert!(cam.packets <= source.packets, "{summary:#?}");
        assert!(!is_touched(&rig, "va")? && !is_touched(&rig, "vb")?);
        rig.start_daemon()?;
    }
    Ok(())
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown__concurrent_signals__then_single_shutdown() -> Result<()> {
    let mut rig = Rig::rings_and("[shutdown]\ndebounce_ms = 60000\n")?;
    let mut control = rig.control()?;
    let mut client = holding(&rig, &mut control)?;
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
    await_drain(&mut control)?;
    // These land after the first one: the daemon lives, drains, and has taken each of them at the end.
    for _ in 0..100 {
        signal(&mut rig, Signal::TERM)?;
        signal(&mut rig, Signal::INT)?;
    }
    let status = shutdown_status(&mut control)?;
    assert!(status.phase == ShutdownPhase::Draining && !status.forced);
    client.say("put-all")?;
    let ended = rig.daemon_ends();
    for sender in &mut senders {
        sender.wait()?;
    }
    let (status, summary) = ended?;
    assert_eq!(status, 0, "{summary:#?}");
    in_order(&summary);
    assert!(!summary.forced);
    let log = rig.last_log();
    assert_eq!(log.matches("shutdown phase=draining").count(), 1, "{log}");
    Ok(())
}
