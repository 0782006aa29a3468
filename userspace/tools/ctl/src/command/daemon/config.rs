//! `onairctl config`: the active configuration and reloads.

use clap::{Args, Subcommand};
use onair_api::ReloadOutcome;
use onair_api::operations::{ReloadConfig, ShowConfig};
use onair_control::Client;

use crate::args::Options;
use crate::failure::{DONE, Failure, REFUSED};
use crate::render;

/// Verbs of `config`.
#[derive(Debug, Subcommand)]
pub(crate) enum ConfigVerb {
    /// Show every active key with its value, and the result of the last reload
    Show(Show),
    /// Read the file again, as SIGHUP does
    Reload(Again),
}

/// Without arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  onairctl config show
  onairctl --json config show | jq .active.limits")]
pub(crate) struct Show {}

/// Without arguments.
#[derive(Debug, Args)]
#[command(after_help = "\
The daemon applies the keys that can change at run time. It lists each other changed key with the
reason. An invalid file is rejected; the current configuration stays. Exit code 1 unless the daemon
applied every change.

Examples:
  onaird --config /etc/onair/onaird.toml --check-config && onairctl config reload")]
pub(crate) struct Again {}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &ConfigVerb,
) -> Result<u8, Failure> {
    match verb {
        ConfigVerb::Show(_) => {
            let answer = client.call::<ShowConfig>(&(), &()).await?;
            crate::command::show(options, &answer, render::daemon::active)?;
            Ok(DONE)
        }
        ConfigVerb::Reload(_) => {
            let answer = client.call::<ReloadConfig>(&(), &()).await?;
            let reload = crate::command::show(options, &answer, render::daemon::reload)?;
            Ok(match reload.outcome {
                ReloadOutcome::Applied => DONE,
                ReloadOutcome::Partly | ReloadOutcome::Failed => REFUSED,
            })
        }
    }
}
