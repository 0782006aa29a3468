//! `onairctl shutdown`.

use std::time::Duration;

use clap::Args;
use onair_api::ShutdownStatus;
use onair_api::operations::{ShowShutdown, ShutDown, ShutDownIfIdle};
use onair_control::{Client, ControlError};

use crate::args::Options;
use crate::command::wait::line;
use crate::failure::{DONE, Failure};
use crate::output;
use crate::render::{self, Falling};

/// Poll interval. A shutdown without users takes about 0.1 s.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Arguments of `shutdown`.
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon stops the sessions, and destroys each when its last user leaves, until timeouts.graceful_ms
has passed. Clients get the event `draining` before their calls return EAGAIN. Root and the daemon's
user may run this command. If systemd restarts the daemon, use `systemctl stop onaird`.

With --watch the command prints a line for each phase and for each number of remaining users, until the
socket has no listener. The daemon's summary (in its log) and its exit status report the result.

Examples:
  onairctl shutdown
  onairctl shutdown --watch
  onairctl shutdown --if-idle --watch")]
pub(crate) struct Shutdown {
    /// Follow the shutdown until the daemon has ended
    #[arg(long)]
    watch: bool,
    /// Only if no session is running; else exit with 4, and change nothing
    #[arg(long)]
    if_idle: bool,
}

impl Shutdown {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let answer = if self.if_idle {
            client.call::<ShutDownIfIdle>(&(), &()).await?
        } else {
            client.call::<ShutDown>(&(), &()).await?
        };
        let status = answer.read()?;
        if !self.watch {
            crate::command::show(options, &answer, render::daemon::begun)?;
            return Ok(DONE);
        }
        let mut printed = Printed::default();
        printed.update(options, &status)?;
        let bar = line();
        loop {
            match client.call::<ShowShutdown>(&(), &()).await {
                Ok(answer) => {
                    let status = answer.read()?;
                    bar.suspend(|| printed.update(options, &status))?;
                    bar.set_message(printed.users.to_string());
                }
                // The wait ends when the daemon no longer answers.
                Err(ControlError::Unreachable { .. } | ControlError::Broken { .. }) => break,
                Err(other) => return Err(other.into()),
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        bar.finish_and_clear();
        if !options.json {
            output::text("the daemon no longer answers\n")?;
        }
        Ok(DONE)
    }
}

/// Lines printed so far.
#[derive(Debug, Default)]
struct Printed {
    phases: usize,
    parts: usize,
    users: Falling,
}

impl Printed {
    /// Prints what is new; with `--json` the whole status, one object a line.
    fn update(&mut self, options: &Options, status: &ShutdownStatus) -> Result<(), Failure> {
        let fewer = self.users.now(status.users);
        let (phases, parts) = (status.phases.len(), status.parts.len());
        let is_new = fewer || phases > self.phases || parts > self.parts;
        if options.json && is_new {
            output::json_line(status)?;
        } else if is_new {
            let is_draining = status.phase == onair_api::ShutdownPhase::Draining;
            let mut text = String::new();
            for phase in status.phases.iter().skip(self.phases) {
                text += &render::daemon::phase(phase);
            }
            if fewer && is_draining {
                text += &render::daemon::users(status);
            }
            for part in status.parts.iter().skip(self.parts) {
                text += &render::daemon::part(part);
            }
            output::text(&text)?;
        }
        (self.phases, self.parts) = (phases, parts);
        Ok(())
    }
}
