//! The page for a keyboard and a screen reader, and those who may act.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use onair_api::{SessionState, Source};
use onair_tests::browser::{Browser, Kind};
use onair_tests::wall::{TOKEN, Wall};
use onair_tests::{Raster, Rig, receive, send, wait_for};
use serde_json::{Value, json};

use super::painted;

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
fn every_page_then_axe_finds_no_violation() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    // One of each lamp: on air, no signal, stopped.
    control.create(&receive("dark", Raster::SMALL, 5006))?;
    control.create(&receive("idle", Raster::SMALL, 5008))?;
    control.stop("idle")?;
    control.create(&send("gone", Raster::SMALL, 5010, Source::Pattern))?;
    let gone = control.end("gone")?.session;
    let id = control.show("in")?.id;
    let wall = Wall::start(rig.stage())?;
    let axe = axe()?;
    let pictures = PathBuf::from(std::env::var_os("ONAIR_SCREENSHOTS").unwrap_or_default());
    for (size, name) in [((1280, 900), "wide"), ((500, 900), "phone")] {
        let mut browser = Browser::start(rig.stage(), Kind::Chromium, size)?;
        for (view, ready) in [
            ("", "[data-name=dark].fault"),
            (&*format!("session/{id}"), "main svg.chart"),
            ("events", "main li"),
            ("certificates", "main table"),
            (&*format!("certificates/{gone}"), "main svg.chart"),
            ("recordings", "main h2"),
        ] {
            browser.open(&wall.url(view))?;
            let script = format!("return document.querySelector('{ready}') !== null");
            browser.await_script(&format!("the page {view:?}"), &script)?;
            browser.run(&axe, json!([]))?;
            let found = browser.run("return axe.run().then((it) => it.violations.map((it) => [it.id, it.nodes.map((it) => it.html)]))", json!([]))?;
            ensure!(found == json!([]), "{view} ({name}): {found:#}");
            if !pictures.as_os_str().is_empty() {
                let file = format!("{name}-{}.png", view.split('/').next().unwrap_or(""));
                browser.screenshot(&pictures.join(file))?;
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
