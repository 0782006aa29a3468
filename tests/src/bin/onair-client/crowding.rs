//! A process that takes as many places as it gets, and uses none of them.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use onair_ipc::site;
use onair_tests::RawClient;
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};

use super::{Reply, TestClient};

/// What it has taken.
#[derive(Default)]
pub(crate) struct Taken {
    connections: Vec<OwnedFd>,
    /// Memory of attachments that it has left.
    memory: Vec<OwnedFd>,
}

impl TestClient {
    pub(crate) fn crowding_command(&mut self, word: &str, rest: &str) -> Result<Reply> {
        Ok(Ok(match word {
            "connect" => {
                let mut words = rest.splitn(3, ' ');
                let mut next = || words.next().context("give a kind, a number, and a path");
                let (kind, count, path) = (next()?, next()?.parse()?, Path::new(next()?));
                for _ in 0..count {
                    self.taken.connections.push(connect(kind, path)?);
                }
                Value::Null
            }
            "open-connections" => {
                let mut open = 0;
                for connection in &self.taken.connections {
                    open += u64::from(is_open(connection)?);
                }
                json!({ "open": open })
            }
            "come-and-go" => {
                let (count, session) = rest.split_once(' ').context("how often, and a session")?;
                self.come_and_go(count.parse()?, session)?
            }
            _ => bail!("no such crowding command"),
        }))
    }

    fn come_and_go(&mut self, count: u32, session: &str) -> Result<Value> {
        let client = RawClient::welcomed(&self.socket)?;
        for admitted in 0..count {
            let answer = client.ask(&json!({ "type": "attach", "session": session }))?;
            let Some(token) = answer["token"].as_str() else {
                return Ok(json!({ "admitted": admitted, "refused": answer }));
            };
            site::canary(u64::from_str_radix(token, 16)?);
            client.send(json!({ "type": "proved" }).to_string().as_bytes())?;
            let (answer, descriptors) = client.receive_with_descriptors()?.context("an answer")?;
            if answer["type"] != "attached" {
                return Ok(json!({ "admitted": admitted, "refused": answer }));
            }
            self.taken.memory.extend(descriptors);
            let answer = client.ask(&json!({ "type": "detach" }))?;
            if answer["type"] != "detached" {
                bail!("detach was answered with {answer}");
            }
        }
        Ok(json!({ "admitted": count }))
    }
}

fn connect(kind: &str, path: &Path) -> Result<OwnedFd> {
    Ok(match kind {
        "seqpacket" => RawClient::connect(path)?.as_fd().try_clone_to_owned()?,
        "stream" => UnixStream::connect(path)?.into(),
        _ => bail!("no such kind of socket"),
    })
}

fn is_open(connection: &OwnedFd) -> Result<bool> {
    let mut look = [PollFd::new(connection, PollFlags::IN)];
    poll(&mut look, Some(&rustix::event::Timespec::default()))?;
    Ok(!look[0].revents().contains(PollFlags::HUP))
}
