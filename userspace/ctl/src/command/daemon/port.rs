//! `onairctl port`.

use clap::Subcommand;
use onair_api::Health;
use onair_api::operations::ShowHealth;
use serde_json::Value;

use crate::args::Options;
use crate::client::Client;
use crate::failure::{DONE, Failure};
use crate::{output, render};

/// What to do with the ports.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the ports with their devices and links
    #[command(after_help = "\
OFFLOADS is what the driver offers; onaird uses one pair of queues and no offload.
--json prints the ports of the health document.

Examples:
  onairctl port list
  onairctl --json port list | jq '.[] | select(.link_up | not) | .name'")]
    List,
}

pub(crate) async fn run(options: &Options, client: &Client, verb: &Verb) -> Result<u8, Failure> {
    let Verb::List = verb;
    let answer = client.call::<ShowHealth>(&(), &()).await?;
    let health: Health = answer.read()?;
    if options.json {
        output::json(
            answer
                .value
                .pointer("/dataplane/ports")
                .unwrap_or(&Value::Null),
        )?;
    } else {
        output::text(&render::daemon::port::devices(&health.dataplane.ports))?;
    }
    Ok(DONE)
}
