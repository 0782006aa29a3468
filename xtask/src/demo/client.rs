//! A client process of the demo.

use std::collections::BTreeSet;
use std::process::Command;

use anyhow::{Context as _, Result};
use onair_stage::{Actor, Deadline, Running, blocked, until};
use serde_json::Value;

/// How long anything that a client says may take.
const PATIENCE: u64 = 20;

/// The handle on it. It is killed when dropped.
pub(crate) struct Client(Actor);

impl Client {
    pub(crate) fn start(name: &str, command: &mut Command) -> Result<Self> {
        Actor::start(name, command).map(Self)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.pid()
    }

    pub(crate) fn running(&mut self) -> &mut Running {
        self.0.running()
    }

    /// Says `line`, which must succeed, and gives the answer.
    pub(crate) fn say(&mut self, line: &str) -> Result<Value> {
        let answer = self.0.ask(line, Deadline::seconds(PATIENCE))?;
        if let Some(error) = answer.get("error") {
            anyhow::bail!("the client's `{line}` failed: {error}");
        }
        Ok(answer)
    }

    /// Waits for an event.
    pub(crate) fn event(&mut self, event: &str) -> Result<Value> {
        self.0.event(event, Deadline::seconds(PATIENCE))
    }

    /// Waits until `count` of its threads sleep, by the kernel's word.
    pub(crate) fn wait_blocked(&self, count: usize) -> Result<BTreeSet<u32>> {
        let what = format!("{count} threads of process {} to block", self.pid());
        until(what, Deadline::seconds(PATIENCE), || {
            let tids = blocked(self.pid())?;
            Ok((tids.len() == count).then_some(tids))
        })
    }

    /// Lets it end.
    pub(crate) fn leave(mut self) -> Result<()> {
        self.0.close();
        let status = self.0.running().wait(Deadline::seconds(PATIENCE))?;
        status
            .success()
            .then_some(())
            .with_context(|| format!("a client ended with {status}"))
    }
}
