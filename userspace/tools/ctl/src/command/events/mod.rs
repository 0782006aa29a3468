//! `onairctl events`.

mod webhook;

use std::time::Duration;

use clap::Args;
use onair_api::operations::EventQuery;
use onair_api::{Event, EventName, SessionRef};
use onair_control::{Client, ControlError};
use serde_json::Value;

use self::webhook::Webhook;
use crate::args::Options;
use crate::failure::Failure;
use crate::{output, render};

/// Pause after a failed delivery or connection; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_secs(1);
/// Longest such pause.
const LONGEST: Duration = Duration::from_secs(30);

/// Filters and starting point.
#[derive(Debug, Args)]
#[command(after_help = "\
Prints one line per event, until Ctrl-C or until the daemon ends (exit code 3). With --json each line
is the event's JSON. A `lost` event means that this program was too slow, or reconnected too late. It
counts the missing events.

With --webhook the program posts each event's JSON to an HTTP receiver instead, in order and at least
once, and prints only failures. It waits for a receiver or a daemon that is away and then continues after
the last accepted event, so it can run as a service.

Examples:
  onairctl events
  onairctl events --session cam1 --kind drain_blocked,evicted
  onairctl --json events --after 0 | jq -r 'select(.kind == \"reconciled\") | .name'
  onairctl events --webhook http://127.0.0.1:9000/onair --kind session_problem,poller_died")]
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
    /// Post each event to this HTTP receiver
    #[arg(long, value_name = "URL")]
    webhook: Option<Webhook>,
}

impl Events {
    pub(crate) async fn run(&self, options: &Options, client: &Client) -> Result<u8, Failure> {
        let query = EventQuery {
            session: self.session.clone(),
            kinds: self.kind.clone(),
        };
        if let Some(webhook) = &self.webhook {
            return Err(self.forward(client, &query, webhook).await);
        }
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

    /// Posts events until a failure that a later attempt cannot cure.
    async fn forward(&self, client: &Client, query: &EventQuery, webhook: &Webhook) -> Failure {
        let mut accepted = self.after.clone();
        let mut retry = Retry::default();
        loop {
            let failure = match client.follow(query, accepted.as_deref()).await {
                Err(failure) => failure,
                Ok(mut stream) => loop {
                    let data = match stream.next().await {
                        Ok(data) => data,
                        Err(failure) => {
                            // Of the events that came, all were posted.
                            accepted = stream.last_id().map(str::to_owned).or(accepted);
                            break failure;
                        }
                    };
                    while let Err(error) = webhook.post(&data).await {
                        retry.after(&error).await;
                    }
                    retry = Retry::default();
                },
            };
            if !failure.is_unreachable() {
                return failure.into();
            }
            retry.after(&failure).await;
        }
    }
}

/// Attempts that failed in a row.
#[derive(Debug, Default)]
struct Retry {
    failed: u32,
}

impl Retry {
    /// Reports the first failure of a row, and waits.
    async fn after(&mut self, error: &(dyn std::error::Error + Sync)) {
        if self.failed == 0 {
            eprintln!("onairctl: {error}; trying again until it succeeds");
        }
        let pause = PAUSE.saturating_mul(1 << self.failed.min(5)).min(LONGEST);
        self.failed += 1;
        tokio::time::sleep(pause).await;
    }
}
