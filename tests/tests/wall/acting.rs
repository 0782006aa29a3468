//! Each button, of whom may and of whom may not.

use anyhow::{Result, ensure};
use onair_api::{SessionState, SessionView};
use onair_tests::browser::{Browser, Kind};
use onair_tests::recordings::recorded::Recorder as _;
use onair_tests::wall::{OPERATOR, TOKEN, Wall};
use onair_tests::{Control, Rig, wait_for};
use serde_json::{Value, json};

use super::painted;
use super::shown::{await_button, await_course, click, fill, open_session};

/// Texts of the buttons in the page.
const BUTTONS: &str =
    "return [...document.querySelectorAll('main button')].map((it) => it.textContent)";

#[test]
fn each_button_then_what_it_says_by_role() -> Result<()> {
    let (rig, mut control) = Rig::with_control()?;
    let _painter = painted(&rig, &mut control)?;
    let mut client = rig.user("in")?;
    client.say("hold 1")?;
    let to = control
        .show("in")?
        .flow
        .destination
        .replace(":5004", ":5010");
    let wall = Wall::start(rig.stage())?;
    let mut browser = Browser::start(rig.stage(), Kind::Chromium, (1280, 900))?;
    let id = control.show("in")?.id;
    open_session(&mut browser, &wall, id)?;

    // Who only looks has the commands, and no button.
    ensure!(browser.run(BUTTONS, json!([]))? == json!([]));
    let commands = "return document.querySelector('main details').textContent";
    let commands = browser.run(commands, json!([]))?.to_string();
    for command in [
        "stop in",
        "record start in",
        "retarget in",
        "destroy in --wait",
    ] {
        ensure!(commands.contains(command), "{command}: {commands}");
    }

    log_in(&mut browser, OPERATOR, "shift")?;
    await_button(&mut browser, "Stop")?;
    let buttons = browser.run(BUTTONS, json!([]))?;
    ensure!(
        buttons == json!(["Stop", "Record 10 s", "Retarget…"]),
        "{buttons}"
    );
    click(&mut browser, "Record 10 s")?;
    said(&mut browser, "Record 10 s: done")?;
    ensure!(control.recordings()?.len() == 1);
    click(&mut browser, "Retarget…")?;
    fill(&mut browser, "nowhere")?;
    said(&mut browser, "nowhere")?;
    click(&mut browser, "Retarget…")?;
    fill(&mut browser, &to)?;
    let is_there = |it: &SessionView| it.flow.destination == to;
    shown(&mut control, "the new destination", is_there)?;
    click(&mut browser, "Stop")?;
    shown(&mut control, "the stop", |it| {
        it.state == SessionState::Stopped
    })?;
    await_button(&mut browser, "Start")?;
    click(&mut browser, "Start")?;
    shown(&mut control, "the start", |it| {
        it.state == SessionState::Running
    })?;

    // What the page does not offer is refused, too; and all is, after a logout.
    let attachment = control.show("in")?.attachments[0].attachment;
    for act in [
        json!({"do": "evict", "session": id, "attachment": attachment}),
        json!({"do": "destroy", "session": id, "deadline_ms": 0}),
    ] {
        let status = post(&mut browser, &act)?;
        ensure!(status == json!(403), "{act}: {status}");
    }
    click(&mut browser, "Log out")?;
    browser.await_script(
        "no button",
        "return document.querySelector('main button') === null",
    )?;
    let status = post(&mut browser, &json!({"do": "stop", "session": id}))?;
    ensure!(status == json!(403), "{status}");

    log_in(&mut browser, TOKEN, "tester")?;
    let evict = "return [...document.querySelectorAll('main button')].find((it) => it.textContent.startsWith('Evict onair-client'))?.textContent";
    let evict = browser.await_script("the client", evict)?;
    let evict = evict.as_str().unwrap_or_default();
    click(&mut browser, evict)?;
    fill(&mut browser, "1")?;
    said(&mut browser, "nothing was done")?;
    let has_client = |it: &SessionView| {
        it.attachments
            .iter()
            .any(|it| it.pid == client.pid() && it.held > 0)
    };
    ensure!(has_client(&control.show("in")?));
    fill(&mut browser, &client.pid().to_string())?;
    shown(&mut control, "the eviction", |it| !has_client(it))?;
    // What runs is stopped first.
    let disabled = "return document.querySelector('main button.danger:disabled')?.textContent";
    browser.await_script("a destroy that is not offered", disabled)?;
    click(&mut browser, "Stop")?;
    click(&mut browser, "Destroy…")?;
    fill(&mut browser, "out")?;
    said(&mut browser, "nothing was done")?;
    ensure!(control.show("in").is_ok());
    fill(&mut browser, "in")?;
    await_course(&mut browser)?;
    ensure!(control.show("in").is_err());
    wall.end()
}

fn log_in(browser: &mut Browser, token: &str, name: &str) -> Result<()> {
    click(browser, "Log in")?;
    browser.await_script(
        "the form",
        "return document.activeElement.type === 'password'",
    )?;
    fill(browser, token)?;
    let script =
        format!("return document.getElementById('user').textContent.startsWith('{name} ')");
    browser.await_script("the user", &script)?;
    Ok(())
}

fn said(browser: &mut Browser, text: &str) -> Result<()> {
    let script = format!(
        "return document.querySelector('main [aria-label=Actions] .said').textContent.includes('{text}')"
    );
    browser.await_script(text, &script)?;
    Ok(())
}

fn shown(control: &mut Control, what: &str, is: impl Fn(&SessionView) -> bool) -> Result<()> {
    wait_for(what, 30, || Ok(is(&control.show("in")?)))
}

/// The status of an action with the cookie of the page, and the token that belongs to it.
fn post(browser: &mut Browser, act: &Value) -> Result<Value> {
    let script = "return fetch('/api/me').then((it) => it.json()).then(({ token }) => fetch('/api/do', { method: 'POST', headers: { 'content-type': 'application/json', 'x-onair-token': token ?? '' }, body: JSON.stringify(arguments[0]) })).then((it) => it.status)";
    browser.run(script, json!([act]))
}
