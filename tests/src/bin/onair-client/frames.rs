//! Commands on frames.

use std::os::unix::fs::FileExt as _;
use std::sync::Arc;

use anyhow::{Context as _, Result, bail};
use onair::{Error, OwnedOpenBuffer, Session, Timeout};
use onair_tests::{FILLED, Seen};
use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::hostile::memory;
use super::sessions::timeout;
use super::{Reply, TestClient};

impl TestClient {
    pub(crate) fn frame_command(&mut self, word: &str, rest: &str) -> Result<Reply> {
        Ok(match word {
            "get" => {
                let session = self.session()?;
                session
                    .buffer_get(timeout(rest)?)
                    .map(|buffer| json!(Seen::of(&buffer)))
            }
            "hold" => self.hold(rest.parse()?)?,
            "put" => {
                let oldest = self.oldest()?;
                self.last_put = Some(oldest);
                self.session()?.put_raw(oldest).map(|()| Value::Null)
            }
            "put-again" => {
                let last = self.last_put.context("put a frame first")?;
                self.session()?.put_raw(last).map(|()| Value::Null)
            }
            "put-all" => {
                let session = self.session()?.clone();
                let results: Result<Vec<()>, _> = self
                    .held
                    .drain(..)
                    .map(|raw| session.put_raw(raw))
                    .collect();
                results.map(|put| json!({ "frames": put.len() }))
            }
            "drain" => Ok(json!({ "frames": drain(self.session()?) })),
            "look" => Ok(json!({ "frames": self.look()? })),
            "open" => match open(self.session()?, rest.parse()?) {
                Ok(buffer) => {
                    self.open.push(buffer);
                    Ok(Value::Null)
                }
                Err(error) => Err(error),
            },
            "finish" if self.open.is_empty() => bail!("open a frame first"),
            "finish" => self.open.remove(0).finish().map(|()| Value::Null),
            "submit" => submit(self.session()?, rest.parse()?),
            _ => bail!("no such command on frames"),
        })
    }

    fn hold(&mut self, count: usize) -> Result<Reply> {
        let session = self.session()?.clone();
        let mut numbers = Vec::new();
        for _ in 0..count {
            match session.buffer_get(Timeout::millis(10_000)) {
                Ok(buffer) => {
                    numbers.push(buffer.number());
                    self.held.push(buffer.into_raw());
                }
                Err(error) => return Ok(Err(error)),
            }
        }
        Ok(Ok(json!({ "numbers": numbers })))
    }

    /// Each held frame as its bytes are now, whatever became of it since.
    fn look(&self) -> Result<Vec<Seen>> {
        let memory = memory()?;
        let look = |raw: &onair::RawBuffer| {
            let (base, len) = self.session()?.raw_bytes(*raw)?;
            let mut bytes = vec![0; len];
            memory.read_exact_at(&mut bytes, base.addr().get() as u64)?;
            Ok(Seen::bytes(&bytes))
        };
        self.held.iter().map(look).collect()
    }

    fn oldest(&mut self) -> Result<onair::RawBuffer> {
        if self.held.is_empty() {
            bail!("hold a frame first");
        }
        Ok(self.held.remove(0))
    }
}

/// Takes what is ready and gives it back; how many that was.
fn drain(session: &Session) -> usize {
    std::iter::from_fn(|| session.buffer_get(Timeout::NOW).ok()).count()
}

/// Submits a frame open, and fills its first `lines` lines.
fn open(session: &Arc<Session>, lines: u32) -> Result<OwnedOpenBuffer, Error> {
    let buffer = session.buffer_get_owned_mut(Timeout::millis(10_000))?;
    let line_bytes = buffer.layout().video.line_bytes();
    let mut buffer = buffer.submit_open()?;
    buffer[..lines as usize * line_bytes].fill(FILLED);
    buffer.lines_ready(lines);
    Ok(buffer)
}

/// Sends `count` frames, each with its number in bytes 0 to 8 and the hash of all others in the
/// last 8.
fn submit(session: &Session, count: u64) -> Reply {
    for number in 0..count {
        let mut buffer = session.buffer_get_mut(Timeout::millis(10_000))?;
        let shade = u8::try_from(number % 200 + 20).unwrap_or_default();
        buffer.fill(shade);
        if let Some(first) = buffer.first_chunk_mut() {
            *first = number.to_le_bytes();
        }
        if let Some((picture, last)) = buffer.split_last_chunk_mut() {
            *last = xxh3_64(picture).to_le_bytes();
        }
        buffer.submit()?;
    }
    Ok::<_, Error>(json!({ "frames": count }))
}
