//! The page for a keyboard and a screen reader, and those who may act.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_api::{SessionState, Source};
use onair_tests::browser::{Browser, Kind};
use onair_tests::recordings::recorded::Recorder as _;
use onair_tests::wall::{TOKEN, Wall};
use onair_tests::{Raster, Rig, receive, send, wait_for};
use serde_json::{Value, json};

use super::painted;
use super::shown::{click, fill};

/// A key of `WebDriver`.
const TAB: char = '\u{e004}';
/// See [`TAB`].
const ENTER: char = '\u{e007}';

/// axe-core, as `cargo xtask setup --for test` installs it.
fn axe() -> Result<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../target/tools/axe/script/axe_playwright_python/axe.min.js");
    std::fs::read_to_string(&path).with_context(|| {
        format!(
            "{}: `cargo xtask setup --for test` installs it",
            path.display()
        )
    })
}

#[test]
fn every_page_then_axe_finds_nothing_and_it_fits() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    // One of each lamp: on air, no signal, stopped, one that hangs.
    control.create(&receive("dark", Raster::SMALL, 5006))?;
    control.create(&receive("idle", Raster::SMALL, 5008))?;
    control.stop("idle")?;
    control.create(&receive("stuck", Raster::SMALL, 5012))?;
    control.create(&send("source", Raster::SMALL, 5012, Source::Pattern))?;
    let mut client = rig.user("stuck")?;
    client.say("hold 2")?;
    client.freeze()?;
    control.record("in", "take", "pcapng", &json!({"duration_ms": 1000}))?;
    control.recording_ends("take")?;
    control.stop("stuck")?;
    control.create(&send("gone", Raster::SMALL, 5010, Source::Pattern))?;
    let gone = control.end("gone")?.session;
    let (id, stuck) = (control.show("in")?.id, control.show("stuck")?.id);
    let wall = Wall::start(rig.stage())?;
    let axe = axe()?;
    let pictures = PathBuf::from(std::env::var_os("ONAIR_SCREENSHOTS").unwrap_or_default());
    for name in ["wide", "phone"] {
        let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 800))?;
        if name == "phone" {
            browser.phone((360, 740))?;
        }
        for (page, view, ready) in [
            ("wall", String::new(), "[data-name=stuck].hung"),
            ("login", String::new(), "header form"),
            ("session", format!("session/{id}"), "main svg.chart"),
            ("buttons", format!("session/{id}"), "main button.danger"),
            (
                "hung",
                format!("session/{stuck}"),
                "main .hang:not([hidden]) li",
            ),
            ("events", "events".to_owned(), "main li"),
            ("certificates", "certificates".to_owned(), "main table"),
            (
                "certificate",
                format!("certificates/{gone}"),
                "main svg.chart",
            ),
            ("recordings", "recordings".to_owned(), "main svg.chart"),
            ("player", "recordings".to_owned(), "main canvas[data-time]"),
        ] {
            browser.open(&wall.url(&view))?;
            match page {
                "login" => click(&mut browser, "Log in")?,
                "buttons" => {
                    click(&mut browser, "Log in")?;
                    fill(&mut browser, TOKEN)?;
                }
                "player" => click(&mut browser, "Pictures")?,
                _ => {}
            }
            let script = format!("return document.querySelector('{ready}') !== null");
            browser.await_script(&format!("the page {page}"), &script)?;
            // On a phone the tiles with a picture are below the screen.
            if page == "session" || (page, name) == ("wall", "wide") {
                let picture = "return [...document.querySelectorAll('main canvas')].some((it) => it.dataset.number > 0)";
                browser.await_script("a picture", picture)?;
            }
            browser.run(&axe, json!([]))?;
            let found = browser.run("return axe.run().then((it) => it.violations.map((it) => [it.id, it.nodes.map((it) => it.html)]))", json!([]))?;
            ensure!(found == json!([]), "{page} ({name}): {found:#}");
            let wider = "const wide = document.documentElement.clientWidth;
                return [...document.querySelectorAll('body *')].filter((it) => !it.closest('.scroll, .spoken, .skip') && it.getBoundingClientRect().right > wide + 1).map((it) => it.outerHTML.slice(0, 200))";
            let wider = browser.run(wider, json!([]))?;
            ensure!(
                wider == json!([]),
                "{page} ({name}) is wider than the screen: {wider:#}"
            );
            if page == "buttons" {
                click(&mut browser, "Log out")?;
            }
            if !pictures.as_os_str().is_empty() {
                browser.screenshot(&pictures.join(format!("{name}-{page}.png")))?;
            }
        }
    }
    wall.end()
}

#[test]
fn keyboard_alone_then_logs_in_and_stops_a_session() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 900))?;
    browser.open(&wall.url(""))?;
    browser.await_script(
        "a tile",
        "return document.querySelector('[data-name=in]') !== null",
    )?;
    reach(&mut browser, "Log in")?;
    browser.press(ENTER)?;
    browser.await_script(
        "the form",
        "return document.activeElement.type === 'password'",
    )?;
    browser.type_text(TOKEN)?;
    browser.press(ENTER)?;
    browser.await_script(
        "the user",
        "return document.getElementById('user').textContent.includes('tester')",
    )?;
    reach(&mut browser, "in")?;
    browser.press(ENTER)?;
    browser.await_script(
        "the session's page",
        "return location.hash.startsWith('#/session/')",
    )?;
    browser.await_script(
        "its buttons",
        "return [...document.querySelectorAll('button')].some((it) => it.textContent === 'Stop')",
    )?;
    reach(&mut browser, "Stop")?;
    browser.press(ENTER)?;
    wait_for("the stop", 30, || {
        Ok(control.show("in")?.state == SessionState::Stopped)
    })?;
    wall.end()
}

/// Presses Tab until what has the focus has this text.
fn reach(browser: &mut Browser, text: &str) -> Result<()> {
    let mut passed = Vec::new();
    for _ in 0..60 {
        browser.press(TAB)?;
        let now = browser.run(
            "return document.activeElement.textContent",
            Value::Array(Vec::new()),
        )?;
        if now == json!(text) {
            return Ok(());
        }
        passed.push(now);
    }
    anyhow::bail!("Tab does not lead to {text:?}, but to {passed:?}")
}
