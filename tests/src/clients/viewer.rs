//! A client process that takes every frame of a session and says what it saw.

use anyhow::{Context as _, Result};
use onair_stage::{Deadline, until};

use crate::clients::seen::Seen;
use crate::rig::Rig;
use onair_stage::Control;
use onair_stage::TestClient;

/// A test_client with one thread that takes frames until its session stops.
#[derive(Debug)]
pub struct Viewer {
    test_client: TestClient,
    session: String,
}

impl Viewer {
    /// Starts one on `session`, which must run.
    pub fn start(rig: &Rig, session: &str) -> Result<Self> {
        let mut test_client = rig.user(session)?;
        test_client.say(format_args!("watch {}", u32::MAX))?;
        Ok(Self {
            test_client,
            session: session.to_owned(),
        })
    }

    /// Frames that it has taken so far.
    pub fn taken(&mut self) -> Result<u64> {
        let answer = self.test_client.say("taken")?;
        answer["frames"].as_u64().context("frames")
    }

    /// Waits until it has taken `frames` frames.
    pub fn wait(&mut self, frames: u64, deadline: Deadline) -> Result<()> {
        let mut taken = 0;
        until(format_args!("{frames} frames"), deadline, || {
            taken = self.taken()?;
            Ok((taken >= frames).then_some(()))
        })
        .with_context(|| format!("{taken} frames came"))
    }

    /// Waits until it has taken every frame that it was loaned, stops its session, and gives what
    /// it saw. It must be the session's only client.
    pub fn finish(mut self, control: &mut Control, deadline: Deadline) -> Result<Vec<Seen>> {
        let session = self.session.clone();
        until("every frame to be taken", deadline, || {
            let counters = control.show(&session)?.counters;
            let loaned = counters.frames_complete + counters.frames_incomplete;
            Ok((self.taken()? == loaned - counters.frames_dropped_slow).then_some(()))
        })?;
        control.stop(&session)?;
        self.seen()
    }

    /// What it saw, once its session has been stopped.
    pub fn seen(&mut self) -> Result<Vec<Seen>> {
        let event = self.test_client.event("watched")?;
        anyhow::ensure!(event["end"] == "EAGAIN", "it ended with {}", event["end"]);
        Ok(serde_json::from_value(event["frames"].clone())?)
    }
}
