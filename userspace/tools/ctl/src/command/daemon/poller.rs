//! `onairctl poller`.

use clap::Subcommand;
use onair_api::operations::ListPollers;
use onair_control::Client;

use crate::args::Options;
use crate::failure::{DONE, Failure};
use crate::render;

/// Action on the pollers.
#[derive(Debug, Subcommand)]
pub(crate) enum PollerVerb {
    /// List the pollers with their cores and states
    #[command(after_help = "\
STATE: works; stalled (it makes no turn: its sessions neither receive nor send); died.

Examples:
  onairctl poller list
  onairctl --json poller list | jq -r '.pollers[] | select(.alive | not) | .name'")]
    List,
}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &PollerVerb,
) -> Result<u8, Failure> {
    let PollerVerb::List = verb;
    let answer = client.call::<ListPollers>(&(), &()).await?;
    crate::command::show(options, &answer, |list| {
        render::daemon::poller::pollers(&list.pollers)
    })?;
    Ok(DONE)
}
