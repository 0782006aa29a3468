//! A client of the attach socket without the library: it says what it likes.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use onair_ipc::message::MAX_PACKET;
use onair_ipc::site;
use rustix::io::{Errno, retry_on_intr};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt,
};
use serde_json::{Value, json};

/// How long the daemon may take to answer, or to read.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to the attach socket.
#[derive(Debug)]
pub struct RawClient {
    socket: OwnedFd,
}

impl RawClient {
    /// Connects to `path`, and says nothing.
    pub fn connect(path: &Path) -> Result<Self> {
        let kind = SocketType::SEQPACKET;
        let socket =
            rustix::net::socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
        let client = Self::bounded(socket)?;
        rustix::net::connect(&client.socket, &SocketAddrUnix::new(path)?)
            .with_context(|| format!("connecting to {}", path.display()))?;
        Ok(client)
    }

    /// Over a connection that the daemon made.
    pub fn over(socket: OwnedFd) -> Result<Self> {
        rustix::io::ioctl_fionbio(&socket, false)?;
        Self::bounded(socket)
    }

    fn bounded(socket: OwnedFd) -> Result<Self> {
        for direction in [sockopt::Timeout::Send, sockopt::Timeout::Recv] {
            sockopt::set_socket_timeout(&socket, direction, Some(TIMEOUT))?;
        }
        Ok(Self { socket })
    }

    /// Connects, and says hello as the library does.
    pub fn welcomed(path: &Path) -> Result<Self> {
        let client = Self::connect(path)?;
        let answer = client.ask(&hello())?;
        if answer["type"] != "welcome" {
            bail!("hello was answered with {answer}");
        }
        Ok(client)
    }

    /// Sends a packet.
    pub fn send(&self, packet: &[u8]) -> Result<(), Errno> {
        retry_on_intr(|| rustix::net::send(&self.socket, packet, SendFlags::NOSIGNAL)).map(drop)
    }

    /// Sends a packet if the daemon has room for it.
    pub fn send_now(&self, packet: &[u8]) -> Result<(), Errno> {
        let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
        rustix::net::send(&self.socket, packet, flags).map(drop)
    }

    /// The daemon's next packet; `None` when it has closed the connection.
    ///
    /// # Errors
    /// When it says nothing for half a minute, or something that is not JSON.
    pub fn receive(&self) -> Result<Option<Value>> {
        let mut bytes = vec![0; MAX_PACKET];
        let mut receive =
            || retry_on_intr(|| rustix::net::recv(&self.socket, &mut bytes, RecvFlags::empty()));
        // A reset comes before what was said before it, and once.
        let received = match receive() {
            Err(Errno::CONNRESET) => receive(),
            received => received,
        };
        let length = match received {
            Ok((0, _)) | Err(Errno::CONNRESET) => return Ok(None),
            Ok((length, _)) => length,
            Err(Errno::AGAIN) => bail!("the daemon said nothing for {TIMEOUT:?}"),
            Err(error) => return Err(error).context("reading the daemon's answer"),
        };
        serde_json::from_slice(&bytes[..length]).context("the daemon's answer is not JSON")
    }

    /// Says `request` and gives the answer.
    pub fn ask(&self, request: &Value) -> Result<Value> {
        self.send(request.to_string().as_bytes())
            .with_context(|| format!("sending {request}"))?;
        self.receive()?
            .with_context(|| format!("the daemon closed the connection after {request}"))
    }

    /// Begins to attach to `session`; gives the token of the challenge.
    pub fn challenged(&self, session: &str) -> Result<u64> {
        let answer = self.ask(&json!({ "type": "attach", "session": session }))?;
        let token = answer["token"]
            .as_str()
            .with_context(|| format!("attach was answered with {answer}"))?;
        Ok(u64::from_str_radix(token, 16)?)
    }

    /// Attaches this process to `session`, and maps nothing of what it is given.
    pub fn attach(&self, session: &str) -> Result<Value> {
        site::canary(self.challenged(session)?);
        let answer = self.ask(&json!({ "type": "proved" }))?;
        if answer["type"] != "attached" {
            bail!("proved was answered with {answer}");
        }
        Ok(answer)
    }
}

impl AsFd for RawClient {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// What the library says first.
#[must_use]
pub fn hello() -> Value {
    json!({
        "type": "hello",
        "protocol": onair_ipc::message::PROTOCOL,
        "library": "raw client of the tests",
        "sites": true,
    })
}
