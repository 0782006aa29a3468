//! `onairctl port`.

use clap::Subcommand;
use onair_api::Health;
use onair_api::operations::{ArrivingQuery, ListArriving, ShowHealth};
use onair_control::Client;
use serde_json::Value;

use crate::args::Options;
use crate::command::show;
use crate::failure::{DONE, Failure};
use crate::{output, render};

/// Action on the ports.
#[derive(Debug, Subcommand)]
pub(crate) enum PortVerb {
    /// List the ports with their devices and links
    #[command(after_help = "\
OFFLOADS is what the driver offers; onaird uses one pair of queues and no offload.
--json prints the ports of the health document.

Examples:
  onairctl port list
  onairctl --json port list | jq '.[] | select(.link_up | not) | .name'")]
    List,
    /// List what arrives at the ports and belongs to no session
    #[command(after_help = "\
One line for each destination and payload type of the UDP packets that no running session receives: what a
session that gets nothing may wait for at another address. At most 64 a poller, the busiest first. TYPE is
the RTP payload type, - if the packets are not RTP. FIRST is the first packet after a pause of 10 s.

Examples:
  onairctl port arriving
  onairctl port arriving b
  onairctl --json port arriving b | jq -r '.arriving[] | select(.payload_type == 96) | .destination'")]
    Arriving {
        /// Port; without it, all
        port: Option<String>,
    },
}

pub(crate) async fn run(
    options: &Options,
    client: &Client,
    verb: &PortVerb,
) -> Result<u8, Failure> {
    match verb {
        PortVerb::List => list(options, client).await,
        PortVerb::Arriving { port } => {
            let query = ArrivingQuery { port: port.clone() };
            let answer = client.call::<ListArriving>(&(), &query).await?;
            show(options, &answer, render::daemon::port::arriving)?;
            Ok(DONE)
        }
    }
}

async fn list(options: &Options, client: &Client) -> Result<u8, Failure> {
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
