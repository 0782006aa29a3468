//! A group that sends and a group that receives, made of the same descriptions.

use std::thread;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Timeout};
use onair_api::SessionState;
use onair_tests::{Config, Rig, onairctl, wait_for};

use super::{descriptions, group, senders, view};
use crate::{ancillary, audio};

/// Units of each member that are waited for.
const UNITS: u64 = 50;

/// Starts a group `out`. Returns whether the first units of all members have one time.
fn begins_together(rig: &Rig, sdp: &str) -> Result<bool> {
    let picture = Client::at(Config::attach_socket(rig.stage())).attach("in-video")?;
    let sound = audio::attach(rig, "in-audio")?;
    let captions = ancillary::attach(rig, "in-ancillary")?;
    let times = thread::scope(|scope| {
        let timeout = || Timeout::millis(20_000);
        let waits = [
            scope.spawn(move || Ok(picture.buffer_get(timeout())?.media_time_ns())),
            scope.spawn(move || Ok(sound.buffer_get(timeout())?.media_time_ns())),
            scope.spawn(move || Ok(captions.buffer_get(timeout())?.media_time_ns())),
        ];
        let send = format!("create out --direction send --pattern --port a --sdp {sdp}");
        group(rig, &send)?;
        let joined = waits.map(|it| it.join().expect("no panic"));
        joined.into_iter().collect::<Result<Vec<_>>>()
    })?;
    let first = times[0].context("the sender follows TAI")?;
    Ok(times == [Some(first); 3])
}

#[test]
fn programme_of_three_essences_is_carried_in_step() -> Result<()> {
    let rig = Rig::pair()?;
    let sdp = descriptions(&rig, &senders())?;
    let made = view(&group(&rig, &format!("create in --port b --sdp {sdp}"))?)?;
    let names: Vec<_> = made
        .members
        .iter()
        .map(|it| it.session.name.as_str())
        .collect();
    assert_eq!(names, ["in-video", "in-audio", "in-ancillary"]);

    // A poller that gets a member too late begins it later: a slow machine starts again.
    let mut starts = 1;
    while !begins_together(&rig, &sdp)? {
        ensure!(starts < 8, "no start at one boundary");
        group(&rig, "stop out")?;
        group(&rig, "destroy out")?;
        starts += 1;
    }

    let mut control = rig.control()?;
    wait_for("units of each member", 30, || {
        let mut views = names.iter().map(|name| control.show(name));
        views.try_fold(true, |all, view| {
            Ok(all && view?.counters.frames_complete >= UNITS)
        })
    })?;
    for name in ["in", "out"] {
        let mut shown = view(&group(&rig, &format!("show {name}"))?)?;
        wait_for("members in step", 30, || {
            shown = view(&group(&rig, &format!("show {name}"))?)?;
            Ok(shown.members.iter().all(|it| it.skew_ns == Some(0)))
        })
        .with_context(|| format!("{shown:?}"))?;
        for member in &shown.members {
            assert_eq!(member.session.state, SessionState::Running);
        }
    }
    let metrics = rig.scrape()?;
    for name in &names {
        let session = format!("session=\"{name}\"");
        let of = |metric| {
            let mut all = metrics.lines().filter(|it| it.starts_with(metric));
            let own = all.find(|it| it.contains("group=\"in\"") && it.contains(&session));
            own.with_context(|| format!("no {metric} of {name}: {metrics}"))
        };
        ensure!(of("onair_session_info{")?.contains("state=\"running\""));
        let skew = of("onair_group_skew_seconds{")?.rsplit(' ').next();
        let skew: f64 = skew.context("a value")?.parse()?;
        ensure!(skew.abs() <= 0.2, "{name}: {skew}");
    }
    let table = onairctl(&rig, "group show in")?.out;
    assert!(
        table.contains("SKEW") && table.contains("in-ancillary"),
        "{table}"
    );
    group(&rig, "stop out")?;
    for name in &names {
        let counters = control.show(name)?.counters;
        // The first unit of ancillary data may be the rest of one that is not whole; a block of sound that the
        // sender had no core for is received as silence.
        let first = starts * u64::from(name.ends_with("ancillary"));
        let sent = control.show(name.replace("in-", "out-"))?.counters;
        let most = first + sent.slots_missed;
        assert!(
            counters.frames_incomplete <= most,
            "{name}: {counters:?} of {sent:?}"
        );
        assert_eq!(counters.packets_lost, 0, "{name}");
    }
    Ok(())
}
