//! A group that sends and a group that receives, made of the same descriptions.

use std::fs;
use std::thread;

use anyhow::{Context as _, Result, ensure};
use onair::{Client, Timeout};
use onair_api::SessionState;
use onair_tests::{Config, Rig, onairctl, receive, wait_for};

use super::{RASTER, descriptions, group, senders, states, view};
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
        // The first unit of ancillary data may be the rest of one that is not whole.
        let first = starts * u64::from(name.ends_with("ancillary"));
        assert!(counters.frames_incomplete <= first, "{name}: {counters:?}");
        assert_eq!(counters.packets_lost, 0, "{name}");
    }
    Ok(())
}

#[test]
fn member_that_is_impossible_then_nothing_of_the_group_remains() -> Result<()> {
    let rig = Rig::rings()?;
    let sdp = descriptions(&rig, &senders())?;
    let mut control = rig.control()?;
    let mut taken = receive("other", RASTER, 5004);
    taken.flow.destination = senders()[2].flow.destination.clone();
    control.create(&taken)?;
    let create = format!("group create in --persistent --port b --sdp {sdp}");
    let refused = onairctl(&rig, &create)?;
    assert_eq!(refused.code, 1, "{refused:?}");
    for word in ["member in-ancillary", "session other", "invalid_spec"] {
        assert!(refused.err.contains(word), "{word}: {refused:?}");
    }
    let all = control.get("/v1/sessions")?.json;
    let names: Vec<_> = all["sessions"]
        .as_array()
        .context("a list")?
        .iter()
        .collect();
    assert_eq!(names.len(), 1, "{all}");
    assert_eq!(
        control.get("/v1/groups")?.json["groups"],
        serde_json::json!([])
    );
    let files = fs::read_dir(rig.stage().directory().join("state/sessions"));
    assert_eq!(files?.count(), 0);

    control.end("other")?;
    group(&rig, create.trim_start_matches("group "))?;
    assert_eq!(states(&rig, "in")?.len(), 3);
    // A second one of the name changes nothing.
    let again = onairctl(&rig, &create)?;
    assert!(again.err.contains("a group named in exists"), "{again:?}");
    assert_eq!(states(&rig, "in")?.len(), 3);
    Ok(())
}

#[test]
fn group_retargeted_then_all_members_or_none_move() -> Result<()> {
    let rig = Rig::rings()?;
    let sdp = descriptions(&rig, &senders())?;
    group(&rig, &format!("create in --port b --sdp {sdp}"))?;
    let mut moved = senders();
    for sender in &mut moved {
        sender.flow.destination = sender.flow.destination.replace("239.77.0", "239.77.1");
    }
    let files = descriptions(&rig, &moved)?;
    let shown = view(&group(&rig, &format!("retarget in --sdp {files}"))?)?;
    for (member, sender) in shown.members.iter().zip(&moved) {
        assert_eq!(member.session.destination, sender.flow.destination);
    }
    // The flow of the captions is another session's.
    let mut control = rig.control()?;
    let mut taken = receive("other", RASTER, 5004);
    taken.flow.destination = senders()[2].flow.destination.clone();
    control.create(&taken)?;
    let back = descriptions(&rig, &senders())?;
    let refused = onairctl(&rig, &format!("group retarget in --sdp {back}"))?;
    assert!(refused.err.contains("member in-ancillary"), "{refused:?}");
    let picture = control.show("in-video")?.flow.destination;
    assert_eq!(picture, moved[0].flow.destination);
    Ok(())
}
