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

    /// One request; the status and the body.
    pub(crate) fn ask(&mut self, method: &str, path: &str) -> Result<(u16, Value)> {
        let request =
            format!("{method} {path} HTTP/1.1\r\nHost: onair\r\nContent-Length: 0\r\n\r\n");
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
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body)?
        };
        Ok((status, body))
    }

    /// One request that must succeed.
    pub(crate) fn must(&mut self, method: &str, path: &str) -> Result<Value> {
        match self.ask(method, path)? {
            (200..=299, body) => Ok(body),
            (status, body) => bail!("{method} {path}: {status} {body}"),
        }
    }
}
