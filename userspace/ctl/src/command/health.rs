//! `onairctl health`.

use clap::Args;
use onair_types::{Health, ProblemCode};

use crate::args::Cli;
use crate::client::Client;
use crate::failure::{DONE, Failure, REFUSED};
use crate::{output, render};

/// What to look at.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 0: ready; 1: not ready; 3: no answer.
--live, for a liveness probe: 0 when the control thread answers, ready or not; 3 when it does not
within --timeout (1 when it says that it cannot).
--ready, for a readiness probe: 0 when sessions can be created, attached to and destroyed, also with
less than was asked for (`degraded`); 1 when not, with the reasons; 3 without an answer.

Examples:
  onairctl health
  onairctl --timeout 2s health --live
  onairctl --json health | jq .probe")]
pub(crate) struct Show {
    /// One line: whether the daemon answers
    #[arg(long, conflicts_with = "ready")]
    live: bool,
    /// One line: whether the daemon takes sessions and clients
    #[arg(long)]
    ready: bool,
}

impl Show {
    pub(crate) async fn run(&self, cli: &Cli, client: &Client) -> Result<u8, Failure> {
        let answer = match client.get("/v1/health").await {
            // It answers, and says that it goes away.
            Err(Failure::Refused(problem))
                if self.live && problem.code == ProblemCode::ShuttingDown =>
            {
                output::text("live, shutting down\n")?;
                return Ok(DONE);
            }
            other => other?,
        };
        let short = self.live || self.ready;
        if cli.json || !short {
            let health: Health = super::show(cli, &answer, render::health::render)?;
            return Ok(self.code(&health));
        }
        let health: Health = answer.read()?;
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
