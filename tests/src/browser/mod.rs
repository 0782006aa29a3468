//! A browser without a screen, steered as `WebDriver` has it (W3C): Chromium by chromedriver, Firefox by Marionette, the
//! protocol that its own driver translates to.

mod marionette;
mod webdriver;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use onair_stage::{Actor, Deadline, Stage, until};
use serde_json::{Value, json};

use marionette::Marionette;
use webdriver::WebDriver;

/// Which browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Debian's chromium.
    Chromium,
    /// Debian's firefox-esr.
    Firefox,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Chromium, Self::Firefox];
}

/// A browser with one page. Ends with this.
#[derive(Debug)]
pub struct Browser {
    driver: Driver,
    /// Ends before the folder of its profile does.
    _process: Actor,
}

#[derive(Debug)]
enum Driver {
    WebDriver(WebDriver),
    Marionette(Marionette),
}

impl Browser {
    /// Starts one, whose window has this size.
    ///
    /// # Errors
    /// It is not installed (`cargo xtask setup --for test`), or does not start.
    pub fn start(stage: &Stage, kind: Kind, size: (u32, u32)) -> Result<Self> {
        let profile = stage.directory().join(format!("{kind:?}"));
        fs::create_dir_all(&profile)?;
        let browser = match kind {
            Kind::Chromium => {
                let (process, driver) = WebDriver::start(stage, &profile)?;
                Self {
                    driver: Driver::WebDriver(driver),
                    _process: process,
                }
            }
            Kind::Firefox => {
                let (process, driver) = Marionette::start(stage, &profile)?;
                Self {
                    driver: Driver::Marionette(driver),
                    _process: process,
                }
            }
        };
        let (width, height) = size;
        let rect = json!({"width": width, "height": height});
        let mut browser = browser;
        browser.command("SetWindowRect", "window/rect", rect)?;
        Ok(browser)
    }

    /// Gives the page the size of a phone, which is less than a window may have. Of Chromium only.
    ///
    /// # Errors
    /// It cannot.
    pub fn phone(&mut self, (width, height): (u32, u32)) -> Result<()> {
        let size =
            json!({"width": width, "height": height, "deviceScaleFactor": 1, "mobile": true});
        let body = json!({"cmd": "Emulation.setDeviceMetricsOverride", "params": size});
        self.command("", "goog/cdp/execute", body)?;
        Ok(())
    }

    /// A command by its name in Marionette, and its path in `WebDriver`.
    fn command(&mut self, name: &str, path: &str, body: Value) -> Result<Value> {
        match &mut self.driver {
            Driver::WebDriver(it) => it.command(path, &body),
            Driver::Marionette(it) => it.command(name, body),
        }
        .with_context(|| format!("{name} {path}"))
    }

    /// Opens a page.
    ///
    /// # Errors
    /// It cannot.
    pub fn open(&mut self, url: &str) -> Result<()> {
        self.command("Navigate", "url", json!({"url": url}))?;
        Ok(())
    }

    /// What a script returns; a promise is waited for.
    ///
    /// # Errors
    /// It throws.
    pub fn run(&mut self, script: &str, arguments: Value) -> Result<Value> {
        let body = json!({"script": script, "args": arguments});
        self.command("ExecuteScript", "execute/sync", body)
    }

    /// Waits until a script returns something that is neither false nor null.
    ///
    /// # Errors
    /// It does not within half a minute.
    pub fn await_script(&mut self, what: &str, script: &str) -> Result<Value> {
        until(what, Deadline::seconds(30), || {
            let value = self.run(script, json!([]))?;
            Ok((!value.is_null() && value != json!(false)).then_some(value))
        })
    }

    /// Presses and releases a key: a character, or a code of `WebDriver` such as `\u{e004}` for Tab.
    ///
    /// # Errors
    /// It cannot.
    pub fn press(&mut self, key: char) -> Result<()> {
        let keys = ["keyDown", "keyUp"].map(|it| json!({"type": it, "value": key.to_string()}));
        let actions = json!({"actions": [{"type": "key", "id": "keys", "actions": keys}]});
        self.command("PerformActions", "actions", actions)?;
        Ok(())
    }

    /// Types a text into what has the focus.
    ///
    /// # Errors
    /// It cannot.
    pub fn type_text(&mut self, text: &str) -> Result<()> {
        text.chars().try_for_each(|it| self.press(it))
    }

    /// Writes a picture of the window, as PNG.
    ///
    /// # Errors
    /// It cannot.
    pub fn screenshot(&mut self, path: &Path) -> Result<()> {
        let picture = match &mut self.driver {
            Driver::WebDriver(it) => it.get("screenshot")?,
            Driver::Marionette(it) => it.command("TakeScreenshot", json!({"full": false}))?,
        };
        let text = picture.as_str().context("a picture")?;
        fs::write(path, STANDARD.decode(text)?)?;
        Ok(())
    }
}
