//! A process that takes as many places as it gets, and uses none of them.

use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use onair_tests::RawClient;
use rustix::event::{PollFd, PollFlags, poll};
use serde_json::{Value, json};

use super::{Reply, TestClient};

/// What it has taken.
#[derive(Default)]
pub(crate) struct Taken {
    connections: Vec<OwnedFd>,
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
            _ => bail!("no such crowding command"),
        }))
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
