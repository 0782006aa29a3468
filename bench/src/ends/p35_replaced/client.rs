//! A client process that takes frames, is killed, and started again at once.

use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result};
use onair::{Client, Error, Timeout};
use onair_ipc::sys;
use onair_stage::{Actor, Deadline, Rig};
use rustix::process::Signal;

use crate::result::samples::{Samples, micros};
use crate::run::Run;

/// For a client's first frame, at most.
const FIRST: Duration = Duration::from_secs(30);
/// Frames come for so long before the kill, and for a millisecond more in each round: it comes at any time of a frame.
const STEADY: Duration = Duration::from_millis(220);

/// A process that tells the time of each frame that it gets, until it is killed.
#[derive(clap::Args)]
pub(crate) struct Takes {
    #[arg(long)]
    attach: PathBuf,
    #[arg(long)]
    session: String,
}

impl Takes {
    pub(crate) fn run(&self) -> Result<()> {
        let session = Client::at(&self.attach).attach(&self.session)?;
        loop {
            match session.buffer_get(Timeout::NEVER) {
                Ok(_frame) => println!(
                    "{}",
                    serde_json::json!({"event": "frame", "at": sys::monotonic_ns()})
                ),
                Err(Error::Stopped | Error::Stale) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Milliseconds from the last frame of one process to the first frame of the next.
pub(super) fn restarted(rig: &Rig, rounds: usize, run: &Run) -> Result<Samples> {
    let mut gaps = Samples::default();
    let mut client = start(rig)?;
    let mut last = frame(&mut client, FIRST)?;
    for round in 0..rounds {
        thread::sleep(STEADY + Duration::from_millis(round as u64 % 20));
        client.running().signal(Signal::KILL)?;
        let next = start(rig)?;
        // Its output ends with it.
        while let Ok(at) = frame(&mut client, FIRST) {
            last = at;
        }
        client = next;
        let first = frame(&mut client, FIRST)?;
        gaps.push(micros(first.saturating_sub(last)) / 1e3);
        last = first;
        run.step();
    }
    client.running().signal(Signal::KILL)?;
    Ok(gaps)
}

fn start(rig: &Rig) -> Result<Actor> {
    let mut command: Command = rig.stage().command(std::env::current_exe()?);
    command
        .args(["frame-taker", "--session", "cam", "--attach"])
        .arg(rig.attach_socket());
    Actor::start("frame-taker", &mut command)
}

/// When the next frame came.
fn frame(client: &mut Actor, timeout: Duration) -> Result<u64> {
    let line = client.event("frame", Deadline::after(timeout))?;
    line["at"].as_u64().context("a time")
}
