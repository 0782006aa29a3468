//! Sessions of each kind, groups of them, and what a look at one costs the others: nothing.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_api::{GroupView, HealthStatus, SessionView, SignalState, Source, SpecDocument};
use onair_tests::browser::{Browser, Kind};
use onair_tests::wall::Wall;
use onair_tests::{Frozen, QUOTA, Raster, Rig, Viewer, local, receive, send, wait_for};
use serde_json::json;

use super::{Painter, RASTER, client, numbers, painted};

#[test]
fn session_of_each_kind_then_its_picture() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    let layout = json!({"name": "planes", "convert": {"from": "in", "layout": "yuv422p"}});
    let _: SessionView = control
        .request("POST", "/v1/sessions", &layout)?
        .document()?;
    control.create(&local("mix", RASTER))?;
    let mix = client(&rig).attach_to_fill("mix")?;
    let _mixer = Painter::of(mix, Duration::from_millis(40));
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 800))?;
    browser.open(&wall.url(""))?;
    for name in ["in", "planes", "mix", "out"] {
        let has = format!(
            "return document.querySelector(`[data-name='{name}'] canvas`)?.dataset.number !== undefined"
        );
        browser.await_script(name, &has)?;
    }
    let before = numbers(&mut browser, "in")?.1;
    for name in ["planes", "mix"] {
        wait_for("a picture with its number", 30, || {
            Ok(numbers(&mut browser, name)?.1 > 0)
        })?;
    }
    // What is sent has no number of a receiver. Its picture is painted, and goes on.
    let label =
        "return document.querySelector(`[data-name='out'] canvas`).getAttribute('aria-label')";
    let label = browser.run(label, json!([]))?;
    ensure!(label == json!("Snapshot of what is sent"), "{label}");
    wait_for("what is sent", 60, || {
        Ok(numbers(&mut browser, "out")?.1 > before)
    })?;
    let of_out = control.show("out")?.attachments.len();
    ensure!(of_out == 1, "{of_out} clients fill what is sent");
    wall.end()
}

#[test]
fn group_then_a_tile_as_bad_as_its_worst_member() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let members = [
        receive("studio-one", Raster::SMALL, 5004),
        receive("studio-two", Raster::SMALL, 5006),
    ];
    let group = json!({"name": "studio", "sessions": members});
    let _: GroupView = control.request("POST", "/v1/groups", &group)?.document()?;
    control.create(&receive("other", Raster::SMALL, 5008))?;
    control.create(&send("out", Raster::SMALL, 5004, Source::Pattern))?;
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 800))?;
    browser.open(&wall.url(""))?;
    let is = |what: &str| {
        format!(
            "const tile = document.querySelector('[data-group=studio]'); return tile !== null && {what}"
        )
    };
    let worst = is(
        "tile.className === 'tile fault' && tile.querySelector('.sentence').textContent.startsWith('studio-two: ')",
    );
    browser.await_script("the state of the worst member", &worst)?;
    let links = is(
        "[...tile.querySelectorAll('.members a')].map((it) => it.textContent).join() === 'studio-two,studio-one'",
    );
    browser.await_script("links to its members, the worst first", &links)?;
    let filtered = "const fields = document.querySelectorAll('.filters select');
        fields[1].value = 'studio'; fields[1].dispatchEvent(new Event('change'));
        return [...document.querySelectorAll('.tile:not([hidden])')].map((it) => it.dataset.group ?? it.dataset.name).sort()";
    let shown = browser.run(filtered, json!([]))?;
    ensure!(
        shown == json!(["studio", "studio-one", "studio-two"]),
        "{shown}"
    );
    // It is well when both are.
    control.create(&send("more", Raster::SMALL, 5006, Source::Pattern))?;
    browser.await_script("a good group", &is("tile.className === 'tile good'"))?;
    wall.end()
}

#[test]
fn wall_that_stands_still_then_no_client_is_slow() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    control.create(&SpecDocument {
        quota: Some(QUOTA),
        ..receive("in", RASTER, 5004)
    })?;
    let mut viewer = Viewer::start(&rig, "in")?;
    control.create(&send("out", RASTER, 5004, Source::Pattern))?;
    let wall = Wall::start(rig.stage())?;
    let id = control.show("in")?.id;
    let look = format!("/api/looks?width=320&every=100&after=0&ids={id}");
    wait_for("a look", 30, || {
        let answer = wall.get(&look)?;
        Ok(answer.body.contains("\"kind\":\"picture\""))
    })?;
    wait_for("the lamp", 30, || {
        let lamp = control.show("in")?.signal.map(|it| it.state);
        Ok(lamp == Some(SignalState::Ok))
    })?;
    // As on a machine that is so busy that the wall does not run for seconds.
    let frozen = Frozen::thread(wall.pid(), "wall-look")?;
    let mut missed = 0;
    wait_for("frames that the wall does not take", 60, || {
        let view = control.show("in")?;
        let lamp = view.signal.as_ref().map(|it| it.state);
        ensure!(lamp == Some(SignalState::Ok), "{lamp:?}");
        ensure!(view.problems.is_empty(), "{:?}", view.problems);
        ensure!(view.counters.frames_dropped_slow == 0, "{view:?}");
        let sampler = view.attachments.iter().find(|it| it.samples);
        let now = sampler.context("the wall samples")?.frames_sampled_out;
        // It had missed some before: it takes ten a second.
        missed = if missed == 0 { now.max(1) } else { missed };
        Ok(now > missed + 100)
    })?;
    drop(frozen);
    ensure!(control.health()?.status == HealthStatus::Ok);
    ensure!(wall.get(&look)?.status == 200);
    wall.end()?;
    control.end("out")?;
    control.stop("in")?;
    let seen = viewer.seen()?;
    ensure!(seen.windows(2).all(|it| it[1].number == it[0].number + 1));
    Ok(())
}
