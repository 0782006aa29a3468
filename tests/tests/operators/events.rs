//! What operators are told: events as they happen, warnings while a drain is blocked, and metrics.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail, ensure};
use onair_api::{BlockerKind, EventKind, EventName, Source};
use onair_stage::Actor;
use onair_tests::{
    Config, Deadline, Follower, Raster, RelayedVideo, Rig, output, program, until, wait_for,
};
use prometheus_parse::{Scrape, Value};

/// How long anything may take that is waited for.
const TIMEOUT_S: u64 = 40;

/// Values by metric and labels, as a real parser reads them.
fn read(text: &str) -> Result<BTreeMap<(String, BTreeSet<String>), f64>> {
    let scrape = Scrape::parse(text.lines().map(|line| Ok(line.to_owned())))?;
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    ensure!(
        scrape.samples.len() == lines,
        "lines that are no samples:\n{text}"
    );
    let mut all = BTreeMap::new();
    for sample in scrape.samples {
        let labels = sample
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let value = match sample.value {
            Value::Counter(value) | Value::Gauge(value) => value,
            other => bail!("{} has no type: {other:?}", sample.metric),
        };
        let twice = all.insert((sample.metric.clone(), labels.collect()), value);
        ensure!(twice.is_none(), "{} stands there twice", sample.metric);
    }
    Ok(all)
}

/// The value of `metric` with (at least) `label`.
fn value(
    metrics: &BTreeMap<(String, BTreeSet<String>), f64>,
    metric: &str,
    label: Option<&str>,
) -> Result<f64> {
    let found = metrics.iter().find(|((name, labels), _)| {
        name == metric && label.is_none_or(|label| labels.contains(label))
    });
    let (_, value) = found.with_context(|| format!("{metric} {label:?} in {metrics:#?}"))?;
    Ok(*value)
}

fn warned_in_metrics(text: &str) -> Result<()> {
    let metrics = read(text)?;
    assert!(value(&metrics, "onair_drain_warnings_total", None)? >= 2.0);
    let cam = Some("session=cam");
    assert!(value(&metrics, "onair_session_drain_warnings", cam)? >= 2.0);
    assert!(value(&metrics, "onair_session_drain_blocked_seconds", cam)? >= 2.0);
    assert!((value(&metrics, "onair_session_blocked_callers", cam)? - 1.0).abs() < 1e-9);
    assert!((value(&metrics, "onair_probe_state", Some("state=watching"))? - 1.0).abs() < 1e-9);
    assert!(
        !text.contains("onair-client"),
        "names of processes are not for metrics"
    );
    Ok(())
}

/// Reads the events of a session that was created, attached to and stopped, up to the second warning,
/// which names the caller.
fn warned_twice(follower: &mut Follower, pid: u32, tid: u32) -> Result<()> {
    let mut seen = Vec::new();
    let mut warned = Vec::new();
    while warned.len() < 2 {
        let event = follower.event()?;
        seen.push(event.kind.name());
        if let EventKind::DrainBlocked {
            after_s, blockers, ..
        } = event.kind
        {
            let [it] = &blockers[..] else {
                bail!("one blocker: {blockers:#?}");
            };
            assert_eq!((it.pid, it.tid), (pid, Some(tid)));
            assert_eq!(
                (it.command.as_str(), it.thread.as_str()),
                ("onair-client", "test_client")
            );
            assert_eq!(it.kind, BlockerKind::Blocked);
            assert_eq!(it.kernel_state.as_deref(), Some("stopped"));
            assert!(
                !it.client_version.is_empty() && it.blocked_for_ms.is_some(),
                "{it:#?}"
            );
            warned.push(after_s);
        }
    }
    let expected = [
        EventName::SessionCreated,
        EventName::SessionStarted,
        EventName::ClientAttached,
        EventName::SessionStopped,
        EventName::DrainBlocked,
        EventName::DrainBlocked,
    ];
    assert_eq!(seen, expected);
    // 1 and 2 s after the stop, on a machine that has nothing else to do.
    assert!(warned[0] >= 1 && warned[1] > warned[0], "{warned:?}");
    Ok(())
}

#[test]
fn drain_blocked_by_a_frozen_caller_then_warned_of_by_name() -> Result<()> {
    let (mut rig, mut control) = Rig::with_cam()?;
    let mut client = rig.user("cam")?;
    let tids = client.block(1)?;
    let tid = *tids.first().context("a thread")?;
    let mut follower = Follower::start(&rig, "?session=cam")?;
    let mut watch = rig.stage().command(program("onairctl")?);
    watch
        .arg("--socket")
        .arg(Config::control_socket(rig.stage()))
        .args(["--json", "session", "blockers", "cam", "--watch=200ms"]);
    let mut watch = Actor::start("onairctl", &mut watch)?;

    client.freeze()?;
    control.stop("cam")?;
    warned_twice(&mut follower, client.pid(), tid)?;
    let name = format!(
        "onair-client {}/{tid} (test_client) blocked in buffer_get for",
        client.pid()
    );
    // The log has a thread of its own.
    wait_for("two warnings in the log", 30, || {
        let log = rig.daemon()?.log();
        let lines = log.lines();
        let warnings = lines.filter(|line| line.contains("WARN") && line.contains(&name));
        Ok(warnings.count() >= 2)
    })?;

    warned_in_metrics(&rig.scrape()?)?;

    client.thaw()?;
    client.returned(1)?;
    control.destroy("cam")?;
    watch.wait_line("the caller", Deadline::seconds(TIMEOUT_S), |line| {
        line["blockers"][0]["tid"] == tid
    })?;
    let status = watch.running().wait(Deadline::seconds(TIMEOUT_S))?;
    assert!(
        status.success(),
        "onairctl session blockers --watch: {status}"
    );
    client.leave()?;
    while follower.event()?.kind.name() != EventName::CertificateCompleted {}
    let metrics = read(&rig.scrape()?)?;
    let issued = Some("operation=destroy");
    assert!((value(&metrics, "onair_certificates_issued_total", issued)? - 1.0).abs() < 1e-9);

    // The end of the daemon is an orderly end of the stream.
    rig.stop_daemon()?;
    let status = follower.end()?;
    assert!(status.success(), "curl: {status}");
    Ok(())
}

/// Waits until each port is `up` or not, and returns the problems of that health.
fn links(video: &mut RelayedVideo, up: bool) -> Result<Vec<String>> {
    until("both links to change", Deadline::seconds(TIMEOUT_S), || {
        let health = video.control.health()?;
        let all = health.dataplane.ports.iter().all(|it| it.link_up == up);
        Ok(all.then_some(health.problems))
    })
}

#[test]
fn link_down_and_up_then_health_and_events_say_so() -> Result<()> {
    let rig = Rig::pair()?;
    let mut video = RelayedVideo::start(&rig, Raster::SMALL, Source::Pattern)?;
    let mut events = Follower::start(&rig, "")?;
    let namespace = rig.stage().namespace().to_owned();
    let switch = |to| output("ip", &["-n", &namespace, "link", "set", "va", to]);
    for (to, up) in [("down", false), ("up", true)] {
        switch(to)?;
        let problems = links(&mut video, up)?;
        for port in ["a", "b"] {
            let problem = format!("the link of port {port} is down");
            let named = problems.iter().any(|it| it.contains(&problem));
            assert_eq!(named, !up, "{problems:?}");
        }
        let mut changed = BTreeSet::new();
        while changed.len() < 2 {
            if let EventKind::PortLink { port, up: now } = events.event()?.kind {
                assert_eq!(now, up);
                changed.insert(port);
            }
        }
    }
    let more = video.viewer.taken()? + 20;
    video.viewer.wait(more, Deadline::seconds(TIMEOUT_S))?;
    // What was sent without a link is lost, rightly.
    video.control.end("out")?;
    Ok(())
}
