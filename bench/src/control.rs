//! HTTP/1.1 on the control socket, on one connection that stays open: just enough for the bench.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

pub(crate) struct Control {
    stream: BufReader<UnixStream>,
}

impl Control {
    pub(crate) fn connect(path: &Path) -> Result<Self> {
        let stream = UnixStream::connect(path)
            .with_context(|| format!("connecting to {}", path.display()))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// One request without a body; the status and the answer.
    pub(crate) fn ask(&mut self, method: &str, path: &str) -> Result<(u16, Value)> {
        self.send(method, path, &Value::Null)
    }

    /// One request; the status and the answer. A null body is none; what is not JSON comes as a text.
    pub(crate) fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<(u16, Value)> {
        let (kind, body) = match body {
            Value::Null => ("", String::new()),
            body => ("Content-Type: application/json\r\n", body.to_string()),
        };
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: onair\r\n{kind}Content-Length: {length}\r\n\r\n{body}"
        );
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        let status = line
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .with_context(|| format!("no status in {line:?}"))?;
        let mut length = 0;
        loop {
            line.clear();
            if self.stream.read_line(&mut line)? == 0 {
                bail!("the daemon hung up in the middle of a header");
            }
            let header = line.trim_end();
            if header.is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse()?;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let text = String::from_utf8_lossy(&body);
        let body = match serde_json::from_slice(&body) {
            Ok(body) => body,
            Err(_) if body.is_empty() => Value::Null,
            Err(_) => Value::String(text.into_owned()),
        };
        Ok((status, body))
    }

    /// One request that must succeed.
    pub(crate) fn must(&mut self, method: &str, path: &str) -> Result<Value> {
        self.must_with(method, path, &Value::Null)
    }

    /// One request with a body that must succeed.
    pub(crate) fn must_with(&mut self, method: &str, path: &str, body: &Value) -> Result<Value> {
        match self.send(method, path, body)? {
            (200..=299, body) => Ok(body),
            (status, body) => bail!("{method} {path}: {status} {body}"),
        }
    }
}
