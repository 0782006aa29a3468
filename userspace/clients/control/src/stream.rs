//! Server-sent events as they come in (HTML Standard, section 9.2.6).

use std::path::PathBuf;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::error::ControlError;

/// The daemon sends a comment every 15 s. After three missed comments this program reports it as
/// hung.
const SILENCE: Duration = Duration::from_secs(45);
/// Longest accepted line, in bytes. The daemon's are far shorter.
const LINE: usize = 1 << 20;

/// An event stream; it lasts until the daemon ends it.
#[derive(Debug)]
pub struct Stream {
    socket: PathBuf,
    body: Incoming,
    buffer: Vec<u8>,
    /// Of the event whose lines have not all come.
    id: Option<String>,
    data: Option<String>,
    /// Id of the last event; before it, that of where the stream begins.
    last: Option<String>,
}

impl Stream {
    /// The events that come from the daemon at `socket`.
    pub(crate) fn new(socket: PathBuf, body: Incoming) -> Self {
        Self {
            socket,
            body,
            buffer: Vec::new(),
            id: None,
            data: None,
            last: None,
        }
    }

    /// The JSON of the next event, on one line. To drop the wait loses nothing.
    ///
    /// # Errors
    /// [`ControlError::Ended`] at the end of the stream, and the others.
    pub async fn next(&mut self) -> Result<String, ControlError> {
        loop {
            let line = self.line().await?;
            if let Some(value) = line.strip_prefix("data:") {
                self.data = Some(value.trim_start().to_owned());
            } else if let Some(value) = line.strip_prefix("id:") {
                self.id = Some(value.trim_start().to_owned());
            } else if line.is_empty() {
                // A `lost` event has no id.
                self.last = self.id.take().or_else(|| self.last.take());
                if let Some(data) = self.data.take() {
                    return Ok(data);
                }
            }
        }
    }

    /// Id of the last event that came. `None`: no event has come yet.
    #[must_use]
    pub fn last_id(&self) -> Option<&str> {
        self.last.as_deref()
    }

    async fn line(&mut self) -> Result<String, ControlError> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).trim_end().to_owned());
            }
            if self.buffer.len() > LINE {
                return Err(ControlError::Alien("a line of more than 1 MiB".into()));
            }
            let frame = tokio::time::timeout(SILENCE, self.body.frame()).await;
            let socket = self.socket.clone();
            match frame {
                Err(_) => {
                    let timeout = SILENCE;
                    return Err(ControlError::NoAnswer { socket, timeout });
                }
                Ok(None) => return Err(ControlError::Ended { socket }),
                Ok(Some(Err(error))) => return Err(ControlError::Broken { socket, error }),
                Ok(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.buffer.extend_from_slice(&data);
                }
            }
        }
    }
}
