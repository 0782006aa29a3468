//! Commands on sessions.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use onair::{Client, Reattaching, Session, Timeout};
use serde_json::{Value, json};

use super::{Reply, TestClient};

impl TestClient {
    pub(crate) fn session_command(&mut self, word: &str, rest: &str) -> Result<Reply> {
        Ok(match word {
            "attach" => {
                let session = Client::at(&self.socket).attach(rest);
                session.map(|session| self.enter(session))
            }
            "fill" => {
                let session = Client::at(&self.socket).attach_to_fill(rest);
                session.map(|session| self.enter(session))
            }
            "fill-on" => {
                let session = Client::at(&self.socket).reattaching_to_fill_of(rest);
                session.map(|session| {
                    thread::spawn(move || fill_on(session));
                    Value::Null
                })
            }
            "create" => {
                let spec = serde_json::from_str(rest).context("a session specification")?;
                let session = Client::at(&self.socket).create(&spec);
                session.map(|session| self.enter(session))
            }
            "use" => {
                self.used = rest.parse()?;
                self.session()?;
                Ok(Value::Null)
            }
            "stop" => {
                self.session()?.stop();
                Ok(Value::Null)
            }
            "start" => {
                self.session()?.start();
                Ok(Value::Null)
            }
            "pulse" => {
                let session = self.session()?;
                session.stop();
                session.start();
                Ok(Value::Null)
            }
            "is-ending" => Ok(json!({ "ending": self.session()?.is_service_ending() })),
            "wait-started" => self.session()?.wait_started(timeout(rest)?).map(|()| Value::Null),
            "poll" => self.session()?.event_poll(timeout(rest)?).map(|event| {
                json!({ "kind": format!("{:?}", event.kind), "argument": event.argument, "sequence": event.sequence })
            }),
            "flush" => {
                let wait = Duration::from_millis(rest.parse()?);
                self.session()?.flush(wait).map(|frames| json!({ "frames": frames }))
            }
            "detach" => self.session()?.detach().map(|()| Value::Null),
            "abort" => certificate(self.session()?.abort()),
            "destroy" => certificate(self.session()?.destroy()),
            "drop" => {
                self.session()?;
                self.sessions.remove(self.used);
                self.used = self.sessions.len().saturating_sub(1);
                Ok(Value::Null)
            }
            _ => bail!("no such command on sessions"),
        })
    }

    fn enter(&mut self, session: Session) -> Value {
        let about = json!({
            "session": session.id().to_string(),
            "name": session.name(),
            "attachment": session.attachment(),
            "owner": session.is_owner(),
            "watched": session.is_watched(),
        });
        self.used = self.sessions.len();
        self.sessions.push(Arc::new(session));
        about
    }
}

fn certificate(result: Result<onair::Certificate, onair::Error>) -> Reply {
    result.map(|certificate| json!({ "certificate": certificate.document() }))
}

/// Milliseconds; `never` waits for ever.
pub(crate) fn timeout(text: &str) -> Result<Timeout> {
    match text {
        "never" => Ok(Timeout::NEVER),
        ms => Ok(Timeout::millis(
            ms.parse()
                .with_context(|| format!("{ms:?} is no time in ms"))?,
        )),
    }
}

/// Fills a frame every 20 ms, each with its number, in this session and in those that follow it.
fn fill_on(mut session: Reattaching) {
    let mut number = 0_u32;
    while let Ok(next) = session.buffer_get_mut(Timeout::NEVER) {
        let mut frame = next.into_buffer();
        if let Some(first) = frame.first_chunk_mut() {
            *first = number.to_le_bytes();
        }
        if frame.submit().is_ok() {
            number += 1;
            thread::sleep(Duration::from_millis(20));
        }
    }
}
