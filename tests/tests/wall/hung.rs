//! A stop that does not end.

use anyhow::{Result, ensure};
use onair_api::{Certificate, SessionState};
use onair_tests::browser::{Browser, Kind};
use onair_tests::wall::Wall;
use onair_tests::{Rig, wait_for};
use serde_json::json;

use super::pages::{await_course, open_session};
use super::painted;

#[test]
fn client_frozen_at_a_stop_then_red_with_what_to_do() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    let mut client = rig.user("in")?;
    client.say("hold 2")?;
    client.freeze()?;
    let pid = client.pid();
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 900))?;
    browser.open(&wall.url(""))?;
    let lamp = |text: &str| {
        format!(
            "return document.querySelector('.tile.hung[data-name=in] .lamp')?.textContent === '{text}'"
        )
    };
    control.stop("in")?;
    browser.await_script("a red tile", &lamp("stopped, in use"))?;
    let held = "return document.querySelector('[data-name=in] .sentence').textContent";
    let held = browser.run(held, json!([]))?.to_string();
    ensure!(
        held.contains(&format!("onair-client {pid}")) && held.contains("holds frame"),
        "{held}"
    );

    // Its page: who, what, since when, and what to do about it.
    let id = control.show("in")?.id;
    let mut page = Browser::start(rig.stage(), Kind::Firefox, (1280, 900))?;
    open_session(&mut page, &wall, id)?;
    let text = "const place = document.querySelector('main .hang'); return !place.hidden && place.textContent";
    let text = page.await_script("what hangs", text)?.to_string();
    for part in [
        "in is stopped, and still in use.",
        &format!("{pid}"),
        "holds frame",
        &format!("kill -CONT {pid}"),
        "onairctl session evict in",
    ] {
        ensure!(text.contains(part), "{part:?} is not in {text}");
    }

    // An end that waits for it.
    let ended = std::thread::scope(|scope| -> Result<()> {
        let mut other = rig.control()?;
        let end = scope.spawn(move || other.try_destroy_wait("in", 60_000));
        browser.await_script("a red tile of an end", &lamp("cannot end"))?;
        page.await_script(
            "an end that waits",
            "return document.querySelector('main .hang h3')?.textContent.startsWith('in cannot end')",
        )?;
        ensure!(control.show("in")?.state == SessionState::Draining);
        client.thaw()?;
        client.say("put-all")?;
        let answer = end
            .join()
            .map_err(|_| anyhow::anyhow!("the end panicked"))??;
        answer.document::<Certificate>().map(drop)
    });
    ended?;
    wait_for("no tile", 30, || {
        let tiles = browser.run(
            "return document.querySelectorAll('[data-name=in]').length",
            json!([]),
        )?;
        Ok(tiles == json!(0))
    })?;
    await_course(&mut page)?;
    wall.end()
}
