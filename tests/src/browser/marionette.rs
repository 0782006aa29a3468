//! Firefox, by Marionette: JSON after its length, over TCP.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{Actor, Deadline, Stage, until};
use serde_json::{Value, json};

const ANSWER: Duration = Duration::from_secs(60);

/// A session of Marionette.
#[derive(Debug)]
pub(super) struct Marionette {
    stream: TcpStream,
    number: u64,
}

impl Marionette {
    pub(super) fn start(stage: &Stage, profile: &Path) -> Result<(Actor, Self)> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let settings = format!(
            "user_pref(\"marionette.port\", {port});\nuser_pref(\"app.update.enabled\", false);\n\
             user_pref(\"datareporting.policy.dataSubmissionEnabled\", false);\n\
             user_pref(\"network.captive-portal-service.enabled\", false);\n"
        );
        fs::write(profile.join("user.js"), settings)?;
        let mut command = stage.command("/usr/bin/firefox-esr");
        command.args(["--headless", "--marionette", "--no-remote", "--profile"]);
        command.arg(profile).env("HOME", profile);
        command.stderr(Stdio::null());
        let actor = Actor::start("firefox-esr", &mut command)
            .context("starting firefox-esr: `cargo xtask setup --for test` installs it")?;
        let stream = until("Firefox", Deadline::seconds(60), || {
            Ok(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok())
        })?;
        stream.set_read_timeout(Some(ANSWER))?;
        let mut driver = Self { stream, number: 0 };
        // It greets first.
        driver.read()?;
        driver.command("NewSession", json!({}))?;
        Ok((actor, driver))
    }

    pub(super) fn command(&mut self, name: &str, body: Value) -> Result<Value> {
        self.number += 1;
        let message = json!([0, self.number, format!("WebDriver:{name}"), body]).to_string();
        write!(self.stream, "{}:{message}", message.len())?;
        let mut answer = self.read()?;
        ensure!(
            answer[1] == json!(self.number),
            "an answer to another command: {answer}"
        );
        if !answer[2].is_null() {
            bail!("{}", answer[2]);
        }
        let mut value = answer[3].take();
        Ok(match value.get_mut("value") {
            Some(value) => value.take(),
            None => value,
        })
    }

    fn read(&mut self) -> Result<Value> {
        let (mut length, mut byte) = (0_usize, [0]);
        loop {
            self.stream.read_exact(&mut byte)?;
            match byte[0] {
                b':' => break,
                digit @ b'0'..=b'9' => length = length * 10 + usize::from(digit - b'0'),
                other => bail!("{other} is no digit of a length"),
            }
        }
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes)?;
        Ok(serde_json::from_slice(&bytes)?)
    }
}

impl Drop for Marionette {
    fn drop(&mut self) {
        let _ = self.command("Quit", json!({"flags": ["eForceQuit"]}));
    }
}
