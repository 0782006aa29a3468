//! A `curl` that follows the daemon's events.

use std::process::ExitStatus;

use anyhow::{Context as _, Result};
use onair_api::Event;
use onair_stage::{Actor, Config, Deadline};
use serde_json::Value;

use crate::rig::Rig;

/// How long the next event may take.
const TIMEOUT_S: u64 = 40;
/// A session that is made to see where the events so far end.
const MARKER: &str = "marker";

/// A running `curl`. It is killed when dropped.
#[derive(Debug)]
pub struct Follower(Actor);

impl Follower {
    /// Of all events that the daemon keeps, and of those to come, as far as `query` lets them through.
    pub fn start(rig: &Rig, query: &str) -> Result<Self> {
        let mut curl = rig.stage().command("curl");
        curl.args(["-sN", "--unix-socket"])
            .arg(Config::control_socket(rig.stage()))
            .args(["-H", "Last-Event-ID: 0"])
            .arg(format!("http://localhost/v1/events{query}"));
        Ok(Self(Actor::start("curl", &mut curl)?))
    }

    /// What the daemon has published so far.
    pub fn so_far(rig: &Rig) -> Result<Vec<Value>> {
        let mut follower = Self::start(rig, "")?;
        let mut control = rig.control()?;
        control.receiver(MARKER, 5999)?;
        let mut all = Vec::new();
        loop {
            let event = follower.json()?;
            if event["name"] == MARKER {
                control.end(MARKER)?;
                return Ok(all);
            }
            all.push(event);
        }
    }

    /// The next event.
    pub fn event(&mut self) -> Result<Event> {
        Ok(serde_json::from_value(self.json()?)?)
    }

    /// Waits for the end of the events; how `curl` ended.
    pub fn end(&mut self) -> Result<ExitStatus> {
        self.0.running().wait(Deadline::seconds(TIMEOUT_S))
    }

    fn json(&mut self) -> Result<Value> {
        let timeout = Deadline::seconds(TIMEOUT_S);
        let line = self.0.wait_line("an event", timeout, |line| {
            line.as_str().is_some_and(|line| line.starts_with("data: "))
        })?;
        let data = line.as_str().and_then(|line| line.strip_prefix("data: "));
        Ok(serde_json::from_str(data.context("a line")?)?)
    }
}
