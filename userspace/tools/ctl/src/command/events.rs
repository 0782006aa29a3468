//! `onairctl events`.

use clap::Args;
use onair_api::operations::EventQuery;
use onair_api::{Event, EventName, SessionRef};
use onair_control::{Client, ControlError};
use serde_json::Value;

use crate::args::Options;
use crate::failure::Failure;
use crate::{output, render};

/// Filters and starting point.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints one line per event, until Ctrl-C or until the daemon ends (exit code 3). With --json each line
is the event's JSON. A `lost` event means that this program was too slow, or reconnected too late. It
counts the missing events.

Examples:
  onairctl events
  onairctl events --session cam1 --kind drain_blocked,evicted
  onairctl --json events --after 0 | jq -r 'select(.kind == \"reconciled\") | .name'")]
pub(crate) struct Events {
    /// Only events of this session: an id or a name
    #[arg(long, short, value_name = "SESSION")]
    session: Option<SessionRef>,
    /// Only events of these kinds, such as drain_blocked,evicted
    #[arg(long, short, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<EventName>,
    /// Start after this event (its number, or its id with the daemon's); 0: start with the oldest
    /// kept event
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Follow new events; this is the default
    #[arg(long, short)]
    follow: bool,
}

impl Events {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let query = EventQuery {
            session: self.session.clone(),
            kinds: self.kind.clone(),
        };
        let mut stream = client.follow(&query, self.after.as_deref()).await?;
        loop {
            let data = stream.next().await?;
            let event: Value =
                serde_json::from_str(&data).map_err(|e| ControlError::Alien(e.to_string()))?;
            if options.json {
                output::json_line(&event)?;
                continue;
            }
            // A later version may send kinds that this program does not know: it prints their name.
            let line = match serde_json::from_value::<Event>(event.clone()) {
                Ok(event) => render::event::line(&event),
                Err(_) => render::event::unknown(&event),
            };
            output::text(&line)?;
        }
    }
}
