//! What tests do with a page.

use anyhow::Result;
use onair_tests::browser::Browser;
use serde_json::json;

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
