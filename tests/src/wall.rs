//! `onair-wall` before the daemon of a rig.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Actor, Config, Deadline, Stage, program, wait_for};
use serde_json::Value;

/// Longest answer.
const ANSWER: Duration = Duration::from_secs(30);
/// The token of a user with the role `admin`.
pub const TOKEN: &str = "a-token-of-the-tests-0001";
/// The token of a user with the role `operate`.
pub const OPERATOR: &str = "a-token-of-the-tests-0002";

/// The process.
#[derive(Debug)]
pub struct Wall {
    actor: Actor,
    address: SocketAddr,
}

/// An answer of HTTP.
#[derive(Debug)]
pub struct WallAnswer {
    /// Status.
    pub status: u16,
    /// The lines before the body.
    pub head: String,
    /// The body, if it is text.
    pub body: String,
}

impl WallAnswer {
    /// The body as JSON.
    ///
    /// # Errors
    /// It is none.
    pub fn json(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.body)?)
    }

    /// The value of a header, whose name is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|it| it.split_once(": "));
        lines
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value)
    }
}

impl Wall {
    /// Starts it, and waits until it answers and knows the daemon.
    ///
    /// # Errors
    /// It does not.
    pub fn start(stage: &Stage) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let users = stage.directory().join("wall.users");
        fs::write(
            &users,
            format!("tester admin {TOKEN}\nshift operate {OPERATOR}\n"),
        )?;
        fs::set_permissions(&users, fs::Permissions::from_mode(0o600))?;
        let mut command = stage.command(&program("onair-wall")?);
        command.args(["--listen", &address.to_string(), "--users"]);
        command.arg(users).arg("--control");
        command.arg(Config::control_socket(stage)).arg("--attach");
        command.arg(Config::attach_socket(stage));
        command.env("ONAIR_LOG", "warn").stderr(Stdio::inherit());
        let actor = Actor::start("onair-wall", &mut command)?;
        let wall = Self { actor, address };
        wait_for("the wall to answer", 30, || {
            Ok(wall.get("/api/me").is_ok_and(|it| it.status == 200))
        })?;
        Ok(wall)
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.actor.pid()
    }

    /// The URL of a view of its page.
    pub fn url(&self, view: &str) -> String {
        format!("http://{}/#/{view}", self.address)
    }

    /// Ends it by SIGTERM.
    ///
    /// # Errors
    /// It does not end, or says that it failed.
    pub fn end(mut self) -> Result<()> {
        self.actor.running().signal(rustix::process::Signal::TERM)?;
        let status = self.actor.running().wait(Deadline::seconds(30))?;
        ensure!(status.success(), "onair-wall ended with {status}");
        Ok(())
    }

    /// Sends a request as it is, and reads the answer to its end.
    ///
    /// # Errors
    /// There is none.
    pub fn raw(&self, request: &[u8]) -> Result<WallAnswer> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(ANSWER))?;
        // It may answer before it has read all.
        let _ = stream.write_all(request);
        let mut bytes = Vec::new();
        let read = stream.read_to_end(&mut bytes);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let (head, body) = text
            .split_once("\r\n\r\n")
            .with_context(|| format!("an answer of HTTP, not {text:?} ({read:?})"))?;
        let status = head.get(9..12).and_then(|it| it.parse().ok());
        Ok(WallAnswer {
            status: status.context("a status")?,
            head: head.to_owned(),
            body: body.to_owned(),
        })
    }

    /// A request with these headers, each with its end of line.
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub fn request(&self, line: &str, headers: &str, body: &str) -> Result<WallAnswer> {
        let length = body.len();
        let request = format!(
            "{line} HTTP/1.1\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.raw(request.as_bytes())
    }

    /// GET of a path.
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub fn get(&self, path: &str) -> Result<WallAnswer> {
        let headers = format!("Host: {}\r\n", self.address);
        self.request(&format!("GET {path}"), &headers, "")
    }

    /// POST of JSON from its own page, with more headers.
    ///
    /// # Errors
    /// As [`Self::raw`].
    pub fn post(&self, path: &str, more: &str, body: &Value) -> Result<WallAnswer> {
        let address = self.address;
        let headers = format!(
            "Host: {address}\r\nOrigin: http://{address}\r\nContent-Type: application/json\r\n{more}"
        );
        self.request(&format!("POST {path}"), &headers, &body.to_string())
    }
}
