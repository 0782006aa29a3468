//! `onairctl health`.

use clap::Args;
use onair_api::operations::ShowHealth;
use onair_api::{Health, ProblemCode};
use onair_control::{Client, ControlError};

use crate::args::Options;
use crate::failure::{DONE, Failure, REFUSED};
use crate::{output, render};

/// Which part of the health to print.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 0: ready; 1: not ready; 3: no answer.
--live, for a liveness probe: 0 if the control thread answers, ready or not; 3 if it does not answer
within --timeout (1 if the daemon reports that it cannot).
--ready, for a readiness probe: 0 if sessions can be created, attached to and destroyed, also with fewer
features than configured (`degraded`); 1 if not, with the reasons; 3 without an answer.

Examples:
  onairctl health
  onairctl --timeout 2s health --live
  onairctl --json health | jq .probe")]
pub(crate) struct Show {
    /// Print one line: whether the daemon answers
    #[arg(long, conflicts_with = "ready")]
    live: bool,
    /// Print one line: whether the daemon accepts sessions and clients
    #[arg(long)]
    ready: bool,
}

impl Show {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let answer = match client.call::<ShowHealth>(&(), &()).await {
            // The daemon answers, and reports that it is shutting down.
            Err(ControlError::Refused(problem))
                if self.live && problem.code == ProblemCode::ShuttingDown =>
            {
                output::text("live, shutting down\n")?;
                return Ok(DONE);
            }
            other => other?,
        };
        let short = self.live || self.ready;
        if options.json || !short {
            let health = crate::command::show(options, &answer, render::daemon::health::render)?;
            return Ok(self.code(&health));
        }
        let health = answer.read()?;
        let word = match (self.live, health.ready) {
            (true, _) => "live",
            (false, true) => "ready",
            (false, false) => "not ready",
        };
        let mut line = format!("{word}, {}", health.status);
        for problem in health.problems.iter().filter(|_| self.ready) {
            line += "; ";
            line += problem;
        }
        output::text(&format!("{}\n", render::printable(&line)))?;
        Ok(self.code(&health))
    }

    fn code(&self, health: &Health) -> u8 {
        if self.live || health.ready {
            DONE
        } else {
            REFUSED
        }
    }
}
