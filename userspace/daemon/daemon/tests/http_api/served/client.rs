//! The API served in this process, and a client that sends exactly the bytes it is told to.

use std::path::PathBuf;
use std::time::Duration;

use onair_api::Problem;
use onair_settings::access::authority::Authority;
use onair_settings::config::ShutdownConfig;
use onaird::control::handle::ControlHandle;
use onaird::control::http::{Limits, serve};
use onaird::shutdown::ShutdownCoordinator;
use onaird::sockets::connections::Connections;
use onaird::sockets::socket_file::{SocketFile, bind_socket};
use onaird::takeover::Takeover;
use rustix::net::SocketType;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::http_api::served::actor::Actor;

/// No test waits longer for anything.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A daemon's control socket.
pub(crate) struct Served {
    pub(crate) path: PathBuf,
    pub(crate) handle: ControlHandle,
    pub(crate) hangups: mpsc::UnboundedReceiver<()>,
    pub(crate) actor: JoinHandle<()>,
    pub(crate) shutdown: ShutdownCoordinator,
    end: Option<oneshot::Sender<()>>,
    server: JoinHandle<()>,
    _file: SocketFile,
    _folder: tempfile::TempDir,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The problem in it; fails when the media type, the status or the form is not a problem's.
    pub(crate) fn problem(&self) -> Problem {
        assert_eq!(
            self.header("content-type"),
            Some(Problem::MEDIA_TYPE),
            "{self:?}"
        );
        let problem: Problem = serde_json::from_str(&self.text).unwrap();
        assert_eq!(problem.status, self.status);
        assert_eq!(problem.status, problem.code.status());
        problem
    }

    pub(crate) fn code(&self) -> &'static str {
        self.problem().code.as_str()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(": ")?;
            key.eq_ignore_ascii_case(name).then_some(value)
        })
    }
}

/// The API with the default limits.
pub(crate) fn served() -> Served {
    served_with(Limits::default(), |_| {})
}

/// The API with limits that `change` sets.
pub(crate) fn limited(change: impl FnOnce(&mut Limits)) -> Served {
    let mut limits = Limits::default();
    change(&mut limits);
    served_with(limits, |_| {})
}

/// The API with other limits, and an actor made ready by `prepare`.
pub(crate) fn served_with(limits: Limits, prepare: impl FnOnce(&mut Actor)) -> Served {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control.sock");
    let bound = bind_socket(&path, SocketType::STREAM, 0o666, None).unwrap();
    let listener = UnixListener::from_std(bound.socket.into()).unwrap();
    let (handle, actions) = ControlHandle::new(8, Duration::from_secs(1));
    let (hangups_in, hangups) = mpsc::unbounded_channel();
    let mut actor = Actor::new(hangups_in);
    prepare(&mut actor);
    let actor = tokio::spawn(actor.run(actions));
    let (end, ended) = oneshot::channel::<()>();
    let authority = Authority::new(0, []);
    let shutdown = ShutdownCoordinator::new(ShutdownConfig::default()).unwrap();
    let server = tokio::spawn(serve(
        listener,
        handle.clone(),
        authority,
        limits,
        Connections::new(limits.share()),
        (shutdown.clone(), Takeover::of_demo(&shutdown)),
        async {
            drop(ended.await);
        },
    ));
    Served {
        path,
        handle,
        hangups,
        actor,
        shutdown,
        end: Some(end),
        server,
        _file: bound.file,
        _folder: folder,
    }
}

impl Served {
    pub(crate) async fn connect(&self) -> UnixStream {
        UnixStream::connect(&self.path).await.unwrap()
    }

    /// Sends `request` as it is and reads until the server closes.
    pub(crate) async fn raw(&self, request: &[u8]) -> Answer {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read(&mut stream).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.ask("POST", path, Some(&body.to_string())).await
    }

    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        self.ask_with("", method, path, body).await
    }

    /// With a further header.
    pub(crate) async fn ask_with(
        &self,
        header: &str,
        method: &str,
        path: &str,
        body: Option<&str>,
    ) -> Answer {
        let mut request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        if !header.is_empty() {
            request += &format!("{header}\r\n");
        }
        if let Some(body) = body {
            request += &format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        } else {
            request += "\r\n";
        }
        self.raw(request.as_bytes()).await
    }

    /// Tells the server to end.
    pub(crate) fn end(&mut self) {
        drop(self.end.take());
    }

    /// Waits for the server's end.
    pub(crate) async fn ended(self) {
        soon(self.server).await.unwrap();
    }
}

/// Reads one answer, to the end of the connection.
pub(crate) async fn read(stream: &mut UnixStream) -> Answer {
    let mut bytes = Vec::new();
    soon(stream.read_to_end(&mut bytes)).await.unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .unwrap_or_else(|| panic!("no head: {text:?}"));
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer {
        status,
        head: head.to_owned(),
        text: body.to_owned(),
    }
}

/// `future`, which must be ready before the test's timeout ends.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(TIMEOUT, future)
        .await
        .expect("in time")
}
