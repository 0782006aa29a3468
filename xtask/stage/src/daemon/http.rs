//! HTTP/1.1 on a Unix socket, on one connection that stays open: just enough for the control API.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// One connection, kept open between requests. If the daemon closed it because no request came for
/// `http_head_ms`, the next request opens another.
#[derive(Debug)]
pub struct Http {
    socket: PathBuf,
    stream: BufReader<UnixStream>,
    limit: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// `Content-Type`; empty without one.
    pub media_type: String,
    /// The body: null if it is empty, a string if it is not JSON.
    pub json: Value,
}

impl Answer {
    /// The stable code of a problem; empty for a success.
    #[must_use]
    pub fn code(&self) -> &str {
        self.json["code"].as_str().unwrap_or_default()
    }

    /// That it is a refusal with this status and code.
    ///
    /// # Errors
    /// It is another answer: the message has the body.
    pub fn refused(&self, status: u16, code: &str) -> Result<()> {
        let is = (self.status, self.code());
        ensure!(is == (status, code), "{is:?}: {}", self.json);
        Ok(())
    }

    /// The document of a success.
    ///
    /// # Errors
    /// An error status, or another document: the message has the body.
    pub fn document<T: DeserializeOwned>(self) -> Result<T> {
        ensure!(
            (200..300).contains(&self.status),
            "the daemon answered {}: {}",
            self.status,
            self.json
        );
        T::deserialize(&self.json)
            .with_context(|| format!("not the expected document: {}", self.json))
    }
}

fn open(socket: &Path, limit: Duration) -> Result<BufReader<UnixStream>> {
    let stream = UnixStream::connect(socket)
        .with_context(|| format!("connecting to {}", socket.display()))?;
    stream.set_read_timeout(Some(limit))?;
    Ok(BufReader::new(stream))
}

impl Http {
    /// Connects to `socket`. A peer that sends nothing for `limit` while an answer is due has failed.
    ///
    /// # Errors
    /// No process listens there.
    pub fn connect(socket: &Path, limit: Duration) -> Result<Self> {
        Ok(Self {
            socket: socket.to_owned(),
            stream: open(socket, limit)?,
            limit,
        })
    }

    /// Sends a request and waits for the answer. A null `body` is none.
    ///
    /// # Errors
    /// No answer within the limit.
    pub fn request(&mut self, method: &str, path: &str, body: &Value) -> Result<Answer> {
        self.send(method, path, body)?;
        let limit = self.limit;
        self.answer()
            .with_context(|| format!("{method} {path}: no answer within {limit:?}"))
    }

    /// Sends a request. [`Self::answer`] waits for its answer.
    ///
    /// # Errors
    /// The peer does not read, or no process listens any more.
    pub fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<()> {
        let (kind, body) = match body {
            Value::Null => ("", String::new()),
            body => ("content-type: application/json\r\n", body.to_string()),
        };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: onaird\r\n{kind}content-length: {length}\r\n\r\n{body}"
        );
        let mut sent = self.stream.get_mut().write_all(request.as_bytes());
        if sent
            .as_ref()
            .is_err_and(|it| it.kind() == ErrorKind::BrokenPipe)
        {
            self.stream = open(&self.socket, self.limit)?;
            sent = self.stream.get_mut().write_all(request.as_bytes());
        }
        sent.with_context(|| format!("{method} {path}"))
    }

    /// Waits for the answer to the request that was sent last.
    ///
    /// # Errors
    /// The peer sends none within the limit, or closes the connection.
    pub fn answer(&mut self) -> Result<Answer> {
        let first = self.line()?;
        let status = first.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.with_context(|| format!("no status in {first:?}"))?;
        let (mut media_type, mut length) = (String::new(), 0);
        loop {
            let line = self.line()?;
            match line.split_once(": ") {
                None if line.is_empty() => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.parse()?;
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-type") => {
                    value.clone_into(&mut media_type);
                }
                _ => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let json = match serde_json::from_slice(&body) {
            Ok(json) => json,
            Err(_) if body.is_empty() => Value::Null,
            Err(_) => Value::String(String::from_utf8_lossy(&body).into_owned()),
        };
        Ok(Answer {
            status,
            media_type,
            json,
        })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        let read = self.stream.read_line(&mut line)?;
        ensure!(read > 0, "the peer closed the connection");
        Ok(line.trim_end().to_owned())
    }
}
