//! `onair-nmos` before the daemon of a rig, and a controller of its plant.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Deref;
use std::process::Stdio;
use std::time::Duration;
use std::{fs, io};

use anyhow::{Context as _, Result, bail, ensure};
use onair_stage::{Actor, Config, Deadline, Stage, program, until, wait_for};
use serde_json::{Value, json};

/// Longest answer.
const ANSWER: Duration = Duration::from_secs(30);
const CONNECTION: &str = "/x-nmos/connection/v1.1";

/// The process, as a controller sees it.
#[derive(Debug)]
pub struct Node {
    actor: Actor,
    controller: Controller,
}

/// A controller before the process, on any thread.
#[derive(Clone, Copy, Debug)]
pub struct Controller(SocketAddr);

impl Deref for Node {
    type Target = Controller;

    fn deref(&self) -> &Controller {
        &self.controller
    }
}

impl Node {
    /// Starts it, without a registry, and waits until it knows the daemon's sessions.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start(stage: &Stage) -> Result<Self> {
        Self::start_with(stage, "")
    }

    /// As [`Self::start`], with these lines of the settings.
    ///
    /// # Errors
    /// It does not answer.
    pub fn start_with(stage: &Stage, more: &str) -> Result<Self> {
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let path = stage.directory().join("nmos.toml");
        let control = Config::control_socket(stage);
        let settings = format!(
            "[nmos]\nlisten = \"{free}\"\nhost = \"127.0.0.1\"\ncontrol = \"{}\"\nseed = \"a test\"\nmdns = false\n{more}",
            control.display()
        );
        fs::write(&path, settings)?;
        let mut command = stage.command(&program("onair-nmos")?);
        command.arg("--config").arg(path);
        command.env("ONAIR_LOG", "error").stderr(Stdio::inherit());
        let actor = Actor::start("onair-nmos", &mut command)?;
        let controller = Controller(free);
        let node = Self { actor, controller };
        wait_for("the node to know the daemon", 30, || {
            Ok(node
                .get("/x-nmos/node/v1.3/self")
                .is_ok_and(|it| it.0 == 200))
        })?;
        Ok(node)
    }

    /// The most bytes of memory that it has had.
    ///
    /// # Errors
    /// It does not run.
    pub fn peak_memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.actor.pid()))?;
        let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:"));
        let kib = line.and_then(|it| it.split_whitespace().next());
        Ok(kib.context("VmHWM")?.parse::<u64>()? << 10)
    }

    /// Ends it by SIGTERM.
    pub fn end(mut self) -> Result<()> {
        self.actor.running().signal(rustix::process::Signal::TERM)?;
        let status = self.actor.running().wait(Deadline::seconds(30))?;
        ensure!(status.success(), "onair-nmos ended with {status}");
        Ok(())
    }
}

/// A controller's WebSocket.
#[derive(Debug)]
pub struct Socket(BufReader<TcpStream>);

impl Socket {
    /// Sends a text of 126 to 65,535 bytes, and waits for one.
    pub fn ask(&mut self, text: &str) -> Result<Vec<u8>> {
        // A mask of zeros: RFC 6455 §5.2.
        let mut frame = vec![0x81, 0x80 | 126];
        frame.extend(u16::try_from(text.len())?.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.0.get_mut().write_all(&frame)?;
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head)?;
            let mut length = [0; 8];
            match head[1] {
                126 => self.0.read_exact(&mut length[6..])?,
                127 => self.0.read_exact(&mut length)?,
                short => length[7] = short,
            }
            let mut message = vec![0; usize::try_from(u64::from_be_bytes(length))?];
            self.0.read_exact(&mut message)?;
            match head[0] {
                // The last frame of a message, and a text in one.
                0x80 | 0x81 => return Ok(message),
                0x88 => bail!("the socket is closed"),
                _ => {}
            }
        }
    }
}

impl Controller {
    /// A WebSocket of IS-12.
    pub fn socket(&self) -> Result<Socket> {
        let mut stream = TcpStream::connect(self.0)?;
        stream.set_read_timeout(Some(ANSWER))?;
        write!(
            stream,
            "GET /x-nmos/ncp/v1.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )?;
        let mut input = BufReader::new(stream);
        let (mut head, mut line) = (String::new(), String::new());
        while input.read_line(&mut line)? > 2 {
            head.push_str(&std::mem::take(&mut line));
        }
        ensure!(head.starts_with("HTTP/1.1 101"), "{head}");
        Ok(Socket(input))
    }

    /// The status and the document of an answer; text that is no JSON is a string.
    pub fn request(&self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let mut stream = TcpStream::connect(self.0)?;
        stream.set_read_timeout(Some(ANSWER))?;
        let body = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").context("an answer of HTTP")?;
        let status = head.get(9..12).and_then(|it| it.parse().ok());
        let value = serde_json::from_str(body);
        let value = value.unwrap_or_else(|_: serde_json::Error| Value::String(body.to_owned()));
        Ok((status.context("a status")?, value))
    }

    /// As [`Self::request`].
    pub fn get(&self, path: &str) -> Result<(u16, Value)> {
        self.request("GET", path, &Value::Null)
    }

    /// The document at a path of the Node API.
    pub fn resources(&self, kind: &str) -> Result<Vec<Value>> {
        match self.get(&format!("/x-nmos/node/v1.3/{kind}"))? {
            (200, Value::Array(all)) => Ok(all),
            other => bail!("{kind}: {other:?}"),
        }
    }

    /// The id of the sender or receiver of a session, once it is there.
    pub fn id(&self, kind: &str, session: &str) -> Result<String> {
        until(
            format!("{session} of {kind}"),
            Deadline::seconds(30),
            || {
                let all = self.resources(kind)?;
                let found = all.iter().find(|it| it["label"] == session);
                Ok(found.and_then(|it| it["id"].as_str().map(ToOwned::to_owned)))
            },
        )
    }

    /// The path of a session's sender or receiver in the Connection API, without `what` of it.
    pub fn path(&self, kind: &str, session: &str) -> Result<String> {
        Ok(format!(
            "{CONNECTION}/single/{kind}/{}",
            self.id(kind, session)?
        ))
    }

    /// Changes what is staged of a session.
    pub fn patch(&self, kind: &str, session: &str, body: &Value) -> Result<(u16, Value)> {
        let path = self.path(kind, session)?;
        self.request("PATCH", &format!("{path}/staged"), body)
    }

    /// Connects a receiver to a sender by its transport file, at once.
    pub fn connect(&self, receiver: &str, sender: &str) -> Result<(u16, Value)> {
        let (status, file) =
            self.get(&format!("{}/transportfile", self.path("senders", sender)?))?;
        ensure!(status == 200, "{file}");
        let body = json!({
            "sender_id": self.id("senders", sender)?, "master_enable": true,
            "activation": {"mode": "activate_immediate"},
            "transport_file": {"type": "application/sdp", "data": file},
        });
        self.patch("receivers", receiver, &body)
    }
}

/// The first whole second of TAI that is at least so many seconds from now, by this machine's clock and the 37 s of today.
pub fn tai_second_in(seconds: u64) -> Result<String> {
    let time = tai_in(seconds + 1)?;
    let (second, _) = time.split_once(':').context("a time")?;
    Ok(format!("{second}:0"))
}

/// A time of TAI so many seconds from now, as NMOS writes it, by this machine's clock and the 37 s of today.
pub fn tai_in(seconds: u64) -> Result<String> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.map_err(io::Error::other)?;
    Ok(format!(
        "{}:{}",
        now.as_secs() + 37 + seconds,
        now.subsec_nanos()
    ))
}
