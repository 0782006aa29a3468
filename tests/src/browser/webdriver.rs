//! Chromium, by chromedriver.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use onair_stage::{Actor, Stage, wait_for};
use serde_json::{Value, json};

const ANSWER: Duration = Duration::from_secs(60);

/// A session of `WebDriver`.
#[derive(Debug)]
pub(super) struct WebDriver {
    address: SocketAddr,
    session: String,
}

impl WebDriver {
    pub(super) fn start(stage: &Stage, profile: &Path) -> Result<(Actor, Self)> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut command = stage.command("/usr/bin/chromedriver");
        command.arg(format!("--port={}", address.port()));
        command.arg("--log-level=SEVERE").stderr(Stdio::inherit());
        let actor = Actor::start("chromedriver", &mut command)
            .context("starting chromedriver: `cargo xtask setup --for test` installs it")?;
        wait_for("chromedriver", 30, || {
            Ok(exchange(address, "GET", "/status", "").is_ok())
        })?;
        // The sandbox is not for root. No process of it outlives its driver.
        let arguments = json!([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--disable-background-networking",
            "--hide-scrollbars",
            format!("--user-data-dir={}", profile.display())
        ]);
        let wanted =
            json!({"capabilities": {"alwaysMatch": {"goog:chromeOptions": {"args": arguments}}}});
        let answer = exchange(address, "POST", "/session", &wanted.to_string())?;
        let session = answer["sessionId"].as_str();
        let session = session
            .with_context(|| format!("a session: {answer}"))?
            .to_owned();
        Ok((actor, Self { address, session }))
    }

    pub(super) fn command(&self, path: &str, body: &Value) -> Result<Value> {
        let path = format!("/session/{}/{path}", self.session);
        exchange(self.address, "POST", &path, &body.to_string())
    }

    pub(super) fn get(&self, path: &str) -> Result<Value> {
        let path = format!("/session/{}/{path}", self.session);
        exchange(self.address, "GET", &path, "")
    }
}

impl Drop for WebDriver {
    fn drop(&mut self) {
        // The browser ends; its driver does with its process.
        let path = format!("/session/{}", self.session);
        let _ = exchange(self.address, "DELETE", &path, "");
    }
}

fn exchange(address: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    // It keeps the connection open.
    let mut reader = BufReader::new(stream);
    let mut length = None;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        if name.eq_ignore_ascii_case("content-length") {
            length = Some(value.trim().parse::<usize>()?);
        }
    }
    let mut body = vec![0; length.context("an answer of HTTP with its length")?];
    reader.read_exact(&mut body)?;
    let mut answer: Value = serde_json::from_slice(&body)?;
    let value = answer["value"].take();
    match value["error"].as_str() {
        Some(error) => bail!("{error}: {}", value["message"]),
        None => Ok(value),
    }
}
