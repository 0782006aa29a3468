//! Frames that a session cannot show: whose fault it is, in the view, by the tool, in the health and in the metrics.

use anyhow::{Context as _, Result};
use onair::{Client, EventKind, Session, Timeout};
use onair_api::{HealthStatus, SessionProblemKind, Source};
use onair_tests::{Config, Deadline, QUOTA, Raster, RelayedVideo, Rig, Seen, onairctl, wait_for};

const TIMEOUT_S: u64 = 20;

/// The metric of a session.
fn metric(rig: &Rig, name: &str, session: &str) -> Result<u64> {
    let scraped = rig.scrape()?;
    let (begin, label) = (format!("{name}{{"), format!("\"{session}\""));
    let mut lines = scraped.lines();
    let line = lines.find(|line| line.starts_with(&begin) && line.contains(&label));
    let number = line.and_then(|line| line.rsplit_once(' '));
    let (_, number) = number.with_context(|| format!("no {name} of {session}"))?;
    Ok(number.parse()?)
}

#[test]
fn client_holds_its_quota_then_named_with_what_it_misses() -> Result<()> {
    let rig = Rig::rings()?;
    let mut video = RelayedVideo::start(&rig, Raster::SMALL, Source::Pattern)?;
    let slow = Session::attach(Config::attach_socket(rig.stage()), "in")?;
    let held = (0..QUOTA)
        .map(|_| Ok(slow.buffer_get(Timeout::millis(10_000))?))
        .collect::<Result<Vec<_>>>()?;
    let as_taken: Vec<_> = held.iter().map(Seen::of).collect();
    let own = std::process::id();
    let found = video
        .control
        .await_problem("in", SessionProblemKind::SlowClient)?;
    assert!(found.detail.contains(&format!("({own}): ")), "{found:?}");
    assert!(found.detail.contains("oldest frame held for "), "{found:?}");
    assert!(
        found.detail.contains(&format!("quota of {QUOTA} frames")),
        "{found:?}"
    );

    // Only that one, in the view, in the table and in the metrics; it is no fault of the daemon.
    assert_eq!(video.control.health()?.status, HealthStatus::Ok);
    let view = video.control.show("in")?;
    let (its, others): (Vec<_>, Vec<_>) = view.attachments.iter().partition(|it| it.pid == own);
    let [its] = &its[..] else {
        anyhow::bail!("one attachment of this process: {view:?}");
    };
    assert_eq!(its.held, u64::from(QUOTA), "{its:?}");
    assert!(its.frames_dropped_slow > 0, "{its:?}");
    let mut told = 0;
    while told < its.frames_dropped_slow {
        let event = slow.event_poll(Timeout::millis(10_000))?;
        if event.kind == EventKind::Dropped {
            told += event.argument;
        }
    }
    let since = its.oldest_held_ms.context("it holds frames")?;
    assert!(!others.is_empty());
    assert!(
        others.iter().all(|it| it.frames_dropped_slow == 0),
        "{others:?}"
    );
    let later = video.control.show("in")?;
    let later = later.attachments.into_iter().find(|it| it.pid == own);
    let later = later.context("it is attached")?;
    assert!(later.oldest_held_ms >= Some(since), "{later:?}");
    let shown = onairctl(&rig, "session show in")?;
    assert!(shown.out.contains("DROPPED"), "{shown:?}");
    assert!(
        shown.out.contains("a client has used its quota"),
        "{shown:?}"
    );
    let json = onairctl(&rig, "session show in --json")?.json()?;
    let problems = json["problems"].as_array().context("problems")?;
    assert!(
        problems.iter().any(|it| it["problem"] == "slow_client"),
        "{json:#}"
    );
    let dropped = metric(&rig, "onair_session_frames_dropped_slow_total", "in")?;
    assert!(dropped >= its.frames_dropped_slow, "{dropped} {its:?}");

    // Every frame of the session's memory is used again and again meanwhile, but not those that it holds.
    let more = video.viewer.taken()? + 200;
    video.viewer.wait(more, Deadline::seconds(30))?;
    assert!(matches!(
        slow.buffer_get(Timeout::NOW),
        Err(onair::Error::AllHeld { .. })
    ));
    let as_held: Vec<_> = held.iter().map(Seen::of).collect();
    assert_eq!(as_held, as_taken, "a frame changed in its holder's hands");

    // It is over, and it gets new ones, when the client keeps up.
    drop(held);
    let next = slow.buffer_get(Timeout::millis(10_000))?;
    assert!(next.number() > as_held[as_held.len() - 1].number + 100);
    drop(next);
    slow.detach()?;
    wait_for("the problem to be over", TIMEOUT_S, || {
        Ok(video.control.show("in")?.problems.is_empty())
    })?;
    video.control.stop("out")?;
    video.settle()?;
    video.control.stop("in")?;
    let seen = video.viewer.seen()?;
    let whole = |it: &Seen| it.pattern_number() == Some(it.number);
    assert!(as_held.iter().chain(&seen).all(whole));
    assert_eq!(video.control.show("in")?.counters.frames_no_buffer, 0);
    assert!(seen.windows(2).all(|it| it[1].number == it[0].number + 1));
    for name in ["out", "in"] {
        video.control.end(name)?;
    }
    Ok(())
}

#[test]
fn sampler_never_returns_a_loan_then_slow_to_none() -> Result<()> {
    let rig = Rig::rings()?;
    let mut video = RelayedVideo::start(&rig, Raster::SMALL, Source::Pattern)?;
    let sampler = Client::at(Config::attach_socket(rig.stage())).attach_to_sample("in")?;
    let held = (0..QUOTA)
        .map(|_| Ok(sampler.buffer_get(Timeout::millis(10_000))?))
        .collect::<Result<Vec<_>>>()?;
    let as_taken: Vec<_> = held.iter().map(Seen::of).collect();
    // Ten times the frames of the session's memory, which all go to the other client.
    let more = video.viewer.taken()? + 300;
    video.viewer.wait(more, Deadline::seconds(30))?;
    let view = video.control.show("in")?;
    let own = std::process::id();
    let its = view.attachments.iter().find(|it| it.pid == own);
    let its = its.context("it is attached")?;
    let counted = (its.samples, its.held, its.frames_dropped_slow);
    assert_eq!(counted, (true, u64::from(QUOTA), 0), "{its:?}");
    assert!(its.frames_sampled_out > 200, "{its:?}");
    assert_eq!(view.counters.frames_dropped_slow, 0, "{view:?}");
    assert_eq!(view.counters.frames_no_buffer, 0, "{view:?}");
    assert!(view.problems.is_empty(), "{view:?}");
    assert_eq!(video.control.health()?.status, HealthStatus::Ok);
    let shown = onairctl(&rig, "session show in")?;
    assert!(shown.out.contains(" sampled out"), "{shown:?}");
    let as_held: Vec<_> = held.iter().map(Seen::of).collect();
    assert_eq!(as_held, as_taken, "a frame changed in its holder's hands");
    // A stop and an end wait for it as for any other: it is named.
    video.control.stop("out")?;
    video.settle()?;
    video.control.stop("in")?;
    let busy = onairctl(&rig, "session destroy in")?;
    assert!(busy.code != 0 && busy.err.contains("W1"), "{busy:?}");
    drop(held);
    sampler.detach()?;
    for name in ["out", "in"] {
        video.control.end(name)?;
    }
    let seen = video.viewer.seen()?;
    assert!(seen.windows(2).all(|it| it[1].number == it[0].number + 1));
    Ok(())
}
