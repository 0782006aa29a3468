//! The end of the daemon: clean, in order, and told as it was.

use anyhow::{Context as _, Result, bail};
use onair_api::operations::{ListCertificates, ListSessions};
use onair_api::{PartOutcome, SessionOutcome, SessionState, SessionSummary};
use onair_tests::{
    Control, Deadline, Frozen, Raster, Rig, TestClient, Viewer, ended_in_order, in_order, of,
    onairctl, output, receive, signal, unread, wait_for,
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
fn shutdown_if_idle_then_refused_while_a_session_runs() -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    let refused = onairctl(&rig, "shutdown --if-idle --watch")?;
    assert_eq!(refused.code, 4, "{refused:?}");
    let said = format!("{refused:?}");
    assert!(said.contains("1 session is on air"), "{said}");
    assert_eq!(control.show("cam")?.state, SessionState::Running);
    control.stop("cam")?;
    let begun = onairctl(&rig, "shutdown --if-idle --watch")?;
    assert_eq!(begun.code, 0, "{begun:?}");
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!((status, summary.exit_status), (0, 0), "{summary:#?}");
    assert!(summary.cause.starts_with("request of"), "{summary:#?}");
    Ok(())
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

/// The sessions that the last daemon destroyed, in order.
fn destroyed(rig: &mut Rig) -> Result<Vec<String>> {
    rig.start_daemon()?;
    let list = rig.control()?.call::<ListCertificates>(&())?;
    let mut issued: Vec<_> = list
        .certificates
        .iter()
        .map(|it| (it.issued_at, it.name.to_string()))
        .collect();
    issued.sort();
    Ok(issued.into_iter().map(|it| it.1).collect())
}

/// Three sessions with priorities in no order of their ids, and a caller in each of a client that stands.
fn three_in_use(rig: &Rig, control: &mut Control) -> Result<TestClient> {
    let mut client = rig.test_client()?;
    for (name, udp, priority) in [("plain", 5001, 50), ("late", 5002, 90), ("early", 5003, 10)] {
        let mut spec = receive(name, Raster::SMALL, udp);
        spec.priority = Some(priority);
        control.create(&spec)?;
        client.say(format_args!("attach {name}"))?;
        client.block(1)?;
    }
    client.freeze()?;
    Ok(client)
}

/// The order in which three sessions went whose only client was killed at once.
fn emptied_together() -> Result<Vec<String>> {
    let mut rig = Rig::rings_and("[timeouts]\ngraceful_ms = 60000\n")?;
    let mut control = rig.control()?;
    let client = three_in_use(&rig, &mut control)?;
    signal(&mut rig, Signal::TERM)?;
    wait_for("all to be waited for", 30, || {
        let list = control.call::<ListSessions>(&())?;
        let mut states = list.sessions.iter().map(|it| it.state);
        Ok(states.all(|it| it == SessionState::Draining))
    })?;
    let frozen = Frozen::thread(rig.daemon()?.pid(), "control")?;
    client.kill()?;
    drop(frozen);
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!(status, 0, "{summary:#?}");
    destroyed(&mut rig)
}

/// On a loaded machine the turn that sees them empty may end before it has seen all three: then each goes as it was seen.
#[test]
fn sessions_empty_together_then_the_lowest_priority_goes_first() -> Result<()> {
    let mut orders = Vec::new();
    for _ in 0..5 {
        orders.push(emptied_together()?);
        if orders
            .last()
            .is_some_and(|it| it == &["early", "plain", "late"])
        {
            return Ok(());
        }
    }
    bail!("in no order of priority: {orders:?}")
}

#[test]
fn poller_hangs_then_left_behind_with_its_session_and_status_7() -> Result<()> {
    let mut rig = Rig::rings()?;
    rig.control()?.receiver("cam", 5000)?;
    let frozen = Frozen::thread(rig.daemon()?.pid(), "onair-p0")?;
    signal(&mut rig, Signal::TERM)?;
    wait_for("the summary in the log", 60, || {
        Ok(rig.daemon()?.log().contains("exit_status"))
    })?;
    // Its process is over once this test has let go of the thread.
    drop(frozen);
    let (status, summary) = rig.daemon_ends()?;
    assert_eq!((status, summary.exit_status), (7, 7), "{summary:#?}");
    let parts = summary.parts.iter();
    let late: Vec<_> = parts.filter(|it| it.outcome != PartOutcome::Done).collect();
    let [ports] = &late[..] else {
        bail!("{late:?}");
    };
    let detail = ports.detail.as_deref().unwrap_or_default();
    assert_eq!(ports.outcome, PartOutcome::TimedOut);
    assert!(
        detail.contains("onair-p0") && detail.contains("ports a, b"),
        "{detail}"
    );
    assert_eq!(summary.sessions[0].outcome, SessionOutcome::Abandoned);
    Ok(())
}

#[test]
fn session_with_a_duration_then_stops_itself_and_starts_again() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let mut spec = receive("short", Raster::SMALL, 5000);
    spec.duration_ms = Some(200);
    control.create(&spec)?;
    let mut client = rig.user("short")?;
    control.await_state("short", SessionState::Stopped)?;
    assert_eq!(client.errno("get 0")?, "EAGAIN");
    control.start("short")?;
    assert_eq!(client.errno("get 0")?, "ETIMEDOUT");
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

#[test]
fn daemon_with_a_duration_and_an_earlier_signal_then_no_wait() -> Result<()> {
    let mut rig = Rig::rings_as(
        |_| {},
        |command| {
            command.args(["--duration", "1h"]);
        },
    )?;
    let (status, summary) = rig.terminated()?;
    assert_eq!((status, summary.cause.as_str()), (0, "SIGTERM"));
    in_order(&summary);
    let timer = summary
        .parts
        .iter()
        .any(|part| part.name == "duration timer");
    assert!(timer, "{summary:#?}");
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
