//! The program, as a test has it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use onair_stage::{Deadline, Running};
use rustix::process::Signal;

use super::{StormResult, Wanted};
use onair_stage::program;

/// A running `onair-recorder-storm`. It is killed when dropped.
#[derive(Debug)]
pub struct Storm {
    running: Running,
    out: BufReader<ChildStdout>,
}

impl Storm {
    /// Starts it. `wrap` may be a program and its arguments that start it in their turn.
    pub fn start(wanted: &Wanted, wrap: &[&str]) -> Result<Self> {
        let own = program("onair-recorder-storm")?;
        let mut command = match wrap.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(own);
                command
            }
            None => Command::new(own),
        };
        let mut child = command
            .arg(serde_json::to_string(wanted)?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting onair-recorder-storm")?;
        let out = child.stdout.take().context("stdout")?;
        Ok(Self {
            running: Running::new("onair-recorder-storm", child)?,
            out: BufReader::new(out),
        })
    }

    /// Waits until its producers are about to offer.
    pub fn ready(&mut self) -> Result<()> {
        let mut line = String::new();
        self.out.read_line(&mut line)?;
        ensure!(line == "ready\n", "it said {line:?}");
        Ok(())
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.running.signal(signal)
    }

    /// What it says, once it has ended by itself.
    pub fn outcome(mut self) -> Result<StormResult> {
        let mut text = String::new();
        // It ends when the other end is closed; a program that hangs is killed by the runner.
        self.out.read_to_string(&mut text)?;
        let status = self.running.wait(Deadline::seconds(60))?;
        ensure!(status.success(), "it ended with {status}: {text}");
        serde_json::from_str(&text).context("what it said")
    }

    /// Waits until it dies of SIGKILL.
    pub fn killed(mut self) -> Result<()> {
        let status = self.running.wait(Deadline::seconds(60))?;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        ensure!(
            signal == Some(Signal::KILL.as_raw()),
            "it ended with {status}"
        );
        Ok(())
    }

    /// SIGKILL, and waits for its end.
    pub fn kill(mut self) -> Result<()> {
        self.running.kill().map(drop)
    }
}
