//! Sessions that `onair-mxl` carries, by its control socket: lines of JSON (its crate's page `control` has them).

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use onair_api::{SessionName, SessionView};
use onair_control::Facts;
use onair_essence::Format;
use serde::{Deserialize, Serialize};
use tokio::io::{
    AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines, Take,
};
use tokio::net::UnixStream;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::essence::describe_on_mxl;

/// Longest answer.
const ANSWER: Duration = Duration::from_secs(5);
/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);
/// Longest that is read on one connection, in bytes: then another one is made.
const LONGEST: u64 = 1 << 24;

/// Sessions that `onair-mxl` carries.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Carried {
    /// The domain, if it has an id.
    pub domain: Option<Uuid>,
    /// The sessions.
    pub sessions: Vec<Carrier>,
}

/// A session that it carries, or can.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Carrier {
    /// The session.
    pub session: SessionName,
    /// Which way.
    pub direction: Way,
    /// The flow's id on MXL.
    pub flow: Option<Uuid>,
    /// It is carried now.
    pub active: bool,
    /// This program's note of its connection, kept there.
    #[serde(default)]
    pub connected: Option<String>,
}

/// The sessions that are senders or receivers of MXL: the daemon has them, in a format that MXL has.
pub fn on_mxl<'a>(
    facts: Option<&'a Facts>,
    carried: &'a Carried,
) -> impl Iterator<Item = (&'a Carrier, &'a SessionView)> {
    let sessions = facts.map(|it| it.sessions.as_slice()).unwrap_or_default();
    carried.sessions.iter().filter_map(move |carrier| {
        let view = sessions.iter().find(|it| it.name == carrier.session)?;
        let format = Format::try_from(view.format.clone()).ok()?;
        describe_on_mxl(&format).map(|_| (carrier, view))
    })
}

/// Which way a session is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Into a flow: a sender of MXL.
    In,
    /// Filled with a flow: a receiver of MXL.
    Out,
}

/// A change of one session.
#[derive(Clone, Debug, Serialize)]
pub struct Order {
    /// The session.
    pub session: SessionName,
    /// Whether it is to be carried; `None`: as it is, and by its flow.
    pub active: Option<bool>,
    /// The flow.
    pub flow: Option<Uuid>,
    /// The note that is kept there until the session is moved again.
    pub connected: Option<String>,
}

/// Why an order is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// `onair-mxl` does not answer.
    #[error("onair-mxl does not answer at {0}: {1}")]
    Away(PathBuf, io::Error),
    /// It refuses.
    #[error("{0} {1}")]
    Refused(String, String),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Done,
    Refused { field: String, problem: String },
}

/// A client of `onair-mxl`.
#[derive(Clone, Debug)]
pub struct MxlClient {
    socket: PathBuf,
    carried: watch::Sender<Arc<Carried>>,
}

impl MxlClient {
    /// Of the process that listens at `socket`.
    #[must_use]
    pub fn at(socket: &Path) -> Self {
        Self {
            socket: socket.to_owned(),
            carried: watch::Sender::default(),
        }
    }

    /// The newest state; while `onair-mxl` does not answer, its last one. Ends with the last reader.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<Carried>> {
        let (own, receiver) = (self.clone(), self.carried.subscribe());
        tokio::spawn(async move {
            let mut is_said = false;
            loop {
                let told = tokio::select! {
                    told = own.told(&mut is_said) => told,
                    () = own.carried.closed() => break,
                };
                if !std::mem::replace(&mut is_said, true) {
                    tracing::warn!(
                        "onair-mxl does not answer at {}: {told}",
                        own.socket.display()
                    );
                }
                sleep(PAUSE).await;
            }
        });
        receiver
    }

    async fn told(&self, is_said: &mut bool) -> io::Error {
        let mut lines = match self.connect().await {
            Ok(lines) => lines,
            Err(error) => return error,
        };
        loop {
            match document(&mut lines).await {
                Ok(now) => self.take(now),
                Err(error) => return error,
            }
            *is_said = false;
        }
    }

    fn take(&self, now: Carried) {
        self.carried.send_if_modified(|it| {
            let is_new = **it != now;
            *it = Arc::new(now);
            is_new
        });
    }

    /// Has an order carried out. After it, what is carried shows it.
    ///
    /// # Errors
    /// [`OrderError`].
    pub async fn order(&self, order: &Order) -> Result<(), OrderError> {
        let exchange = async {
            let mut lines = self.connect().await?;
            let text = serde_json::to_string(order)?;
            let stream = lines.get_mut().get_mut().get_mut();
            stream.write_all(format!("{text}\n").as_bytes()).await?;
            loop {
                // Lines that are no answer tell what is carried.
                let document: serde_json::Value = document(&mut lines).await?;
                if document.get("sessions").is_none() {
                    let answer = serde_json::from_value(document)?;
                    return Ok((answer, self::document(&mut lines).await?));
                }
            }
        };
        let answer: io::Result<(Answer, Carried)> = match timeout(ANSWER, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        };
        let away = |error| OrderError::Away(self.socket.clone(), error);
        let (answer, now) = answer.map_err(away)?;
        self.take(now);
        match answer {
            Answer::Done => Ok(()),
            Answer::Refused { field, problem } => Err(OrderError::Refused(field, problem)),
        }
    }

    async fn connect(&self) -> io::Result<Lines<BufReader<Take<UnixStream>>>> {
        let stream = UnixStream::connect(&self.socket).await?;
        Ok(BufReader::new(stream.take(LONGEST)).lines())
    }
}

async fn document<T: serde::de::DeserializeOwned>(
    lines: &mut Lines<BufReader<Take<UnixStream>>>,
) -> io::Result<T> {
    let line = lines.next_line().await?;
    let line = line.ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(serde_json::from_str(&line)?)
}
