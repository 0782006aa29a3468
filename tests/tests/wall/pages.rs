//! What tests do with a page.

use anyhow::Result;
use onair_api::SessionId;
use onair_tests::browser::Browser;
use onair_tests::wall::Wall;
use serde_json::json;

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
