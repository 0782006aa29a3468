//! What a tile shows is so, and what happens is shown.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, ensure};
use onair_api::SessionId;
use onair_tests::browser::{Browser, Kind};
use onair_tests::wall::Wall;
use onair_tests::{Raster, Rig, receive, wait_for};
use serde_json::json;

use super::{numbers, painted};

/// Size of the window.
const WINDOW: (u32, u32) = (1280, 800);

#[test]
fn tile_in_each_browser_then_the_frame_of_its_number() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    let wall = Wall::start(rig.stage())?;
    for kind in Kind::ALL {
        let mut browser = Browser::start(rig.stage(), kind, WINDOW)?;
        browser.open(&wall.url(""))?;
        let script = "return document.querySelector(`[data-name='in'] canvas`)?.dataset.number > 0";
        browser.await_script("a picture", script)?;
        // Both count frames: the painter from its first one, the daemon from the receiver's.
        let mut seen = Vec::new();
        wait_for("five pictures", 30, || {
            let (number, painted) = numbers(&mut browser, "in")?;
            if seen.last().is_none_or(|(last, _)| *last != number) {
                seen.push((number, painted));
            }
            Ok(seen.len() >= 5)
        })?;
        let apart = |(number, painted): &(u64, u64)| number.wrapping_sub(*painted);
        ensure!(
            seen.iter().all(|it| apart(it) == apart(&seen[0])),
            "{kind:?}: frames and what is painted in them: {seen:?}"
        );
    }
    wall.end()
}

#[test]
fn session_stopped_elsewhere_then_its_lamp_says_so() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, WINDOW)?;
    browser.open(&wall.url(""))?;
    let lamp = |word: &str| {
        format!("return document.querySelector(`[data-name='in'] .lamp`)?.textContent === '{word}'")
    };
    // The page itself notes when the lamp changes. On a machine that has other work one of some stops is slow.
    let watch = "window.stopped = null; new MutationObserver(() => {
            if (document.querySelector(`[data-name='in'] .lamp`)?.textContent === 'stopped') window.stopped ??= Date.now();
        }).observe(document.body, { subtree: true, childList: true, characterData: true });";
    let mut best = Duration::MAX;
    for _ in 0..5 {
        browser.await_script("the lamp", &lamp("on air"))?;
        browser.run(watch, json!([]))?;
        control.stop("in")?;
        let stopped = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let shown = browser.await_script("the lamp of a stop", "return window.stopped")?;
        let shown = Duration::from_millis(shown.as_u64().context("a time")?);
        best = best.min(shown.saturating_sub(stopped));
        if best < Duration::from_secs(1) {
            break;
        }
        control.start("in")?;
    }
    ensure!(
        best < Duration::from_secs(1),
        "shown {best:?} after the stop"
    );
    // The page of the session is of one that is gone, once it is destroyed, and says how.
    let id = control.show("in")?.id;
    open_session(&mut browser, &wall, id)?;
    control.destroy("in")?;
    await_course(&mut browser)?;
    wall.end()
}

#[test]
fn daemon_that_dies_and_returns_then_both_are_shown() -> Result<()> {
    let (mut rig, mut control) = Rig::with_control()?;
    let painter = painted(&rig, &mut control)?;
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, WINDOW)?;
    browser.open(&wall.url(""))?;
    let picture = "return document.querySelector('[data-name=in] canvas')?.dataset.number > 0";
    browser.await_script("a picture", picture)?;
    rig.kill_daemon()?;
    drop(painter);
    let alarm = "const alarm = document.getElementById('alarm'); return !alarm.hidden && alarm.textContent.includes('daemon')";
    browser.await_script("the alarm", alarm)?;
    // Pauses between the wall's attempts to connect have become long.
    std::thread::sleep(Duration::from_secs(4));
    rig.start_daemon()?;
    // Before the wall has connected again.
    let mut control = rig.control()?;
    control.create(&receive("early", Raster::SMALL, 5012))?;
    browser.await_script("no alarm", "return document.getElementById('alarm').hidden")?;
    // The new daemon does not know the session.
    browser.await_script(
        "no tile",
        "return document.querySelector('[data-name=in]') === null",
    )?;
    let early = "return document.querySelector('[data-name=early]') !== null";
    browser.await_script("the tile of a session of the new daemon", early)?;
    browser.open(&wall.url("events"))?;
    let events = "const events = [...document.querySelectorAll('main li')].map((it) => it.textContent);
        const at = (what) => events.findIndex((it) => it.includes(what));
        return 0 <= at('early session created') && at('early session created') < at('daemon does not answer')";
    browser.await_script("events of both daemons, and the death between them", events)?;
    wall.end()
}

/// Opens the page of a session, and waits until it has what the daemon says.
pub(super) fn open_session(browser: &mut Browser, wall: &Wall, id: SessionId) -> Result<()> {
    browser.open(&wall.url(&format!("session/{id}")))?;
    let script = "return document.querySelector('main dl') !== null";
    browser.await_script("the session's page", script)?;
    Ok(())
}

/// Waits until the page of a session that is gone shows how it ended.
pub(super) fn await_course(browser: &mut Browser) -> Result<()> {
    let script = "return [...document.querySelectorAll('main svg')].some((it) => it.getAttribute('aria-label').startsWith('Course: '))";
    browser.await_script("the course of the end", script)?;
    Ok(())
}

pub(super) fn await_button(browser: &mut Browser, text: &str) -> Result<()> {
    let script = format!(
        "return [...document.querySelectorAll('button')].some((it) => it.textContent === '{text}' && !it.disabled)"
    );
    browser.await_script(text, &script)?;
    Ok(())
}

/// Clicks the first button with this text, once it is there.
pub(super) fn click(browser: &mut Browser, text: &str) -> Result<()> {
    await_button(browser, text)?;
    let script = "[...document.querySelectorAll('button')].find((it) => it.textContent === arguments[0]).click()";
    browser.run(script, json!([text]))?;
    Ok(())
}

/// Fills the form that has the focus, and sends it.
pub(super) fn fill(browser: &mut Browser, text: &str) -> Result<()> {
    let script = "const field = document.activeElement; field.value = arguments[0]; field.form.requestSubmit()";
    browser.run(script, json!([text]))?;
    Ok(())
}
