//! `onairctl config`: what is in force, and reading the file anew.

use clap::{Args, Subcommand};
use onair_types::{ActiveConfig, Reload, ReloadOutcome};

use crate::args::Cli;
use crate::client::Client;
use crate::failure::{DONE, Failure, REFUSED};
use crate::render;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Every key with the value that is in force, and what came of the last reload
    Show(Show),
    /// Read the file anew, as SIGHUP does
    Reload(Again),
}

/// Nothing to say.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onairctl config show
  onairctl --json config show | jq .active.limits")]
pub(crate) struct Show {}

/// Nothing to say.
#[derive(Debug, Args)]
#[command(after_help = "\
What can change while the daemon runs changes; the rest is named with the reason. A file that does
not hold changes nothing. Exit code 1 unless all of it was taken.

Examples:
  onaird --config /etc/onair/onaird.toml --check-config && onairctl config reload")]
pub(crate) struct Again {}

pub(crate) async fn run(cli: &Cli, client: &Client, verb: &Verb) -> Result<u8, Failure> {
    match verb {
        Verb::Show(_) => {
            let answer = client.get("/v1/config").await?;
            super::show::<ActiveConfig>(cli, &answer, render::config::active)?;
            Ok(DONE)
        }
        Verb::Reload(_) => {
            let answer = client.post("/v1/config/reload", None).await?;
            let reload = super::show::<Reload>(cli, &answer, render::config::reload)?;
            Ok(match reload.outcome {
                ReloadOutcome::Applied => DONE,
                ReloadOutcome::Partly | ReloadOutcome::Failed => REFUSED,
            })
        }
    }
}
