//! Events that outlast the daemon.

use std::time::Duration;

use onair_api::Event;
use onair_api::operations::EventQuery;

use crate::client::Client;
use crate::error::ControlError;
use crate::stream::Stream;

/// Pause after the first failed connection of a row; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
const LONGEST: Duration = Duration::from_secs(5);

/// What [`Events::next`] gives.
#[derive(Debug)]
pub enum Step {
    /// The daemon answers from now on. What its documents say may have changed: read them again.
    Connected,
    /// This happened, after all that was given before.
    Event(Box<Event>),
    /// No daemon answers, for the first time in a row, or it refuses.
    Away(ControlError),
}

/// The events of a daemon that may restart.
///
/// A follower reads the documents at each [`Step::Connected`], and changes them by the events: events that another
/// daemon sends, or that were too many, follow no earlier ones.
#[derive(Debug)]
pub struct Events {
    client: Client,
    query: EventQuery,
    stream: Option<Stream>,
    /// Id of the last event: the daemon has it, or is another one, all of whose events are later.
    last: Option<String>,
    failed: u32,
}

impl Events {
    /// The events that `query` asks for, from now on; after a break, those since the last one.
    #[must_use]
    pub const fn new(client: Client, query: EventQuery) -> Self {
        Self {
            client,
            query,
            stream: None,
            last: None,
            failed: 0,
        }
    }

    /// Waits for the next step. To drop the wait loses nothing but its pause.
    pub async fn next(&mut self) -> Step {
        loop {
            let failure = match &mut self.stream {
                None => {
                    if self.failed > 1 {
                        let doublings = (self.failed - 2).min(6);
                        tokio::time::sleep(PAUSE.saturating_mul(1 << doublings).min(LONGEST)).await;
                    }
                    match self.client.follow(&self.query, self.last.as_deref()).await {
                        Ok(stream) => {
                            (self.stream, self.failed) = (Some(stream), 0);
                            return Step::Connected;
                        }
                        Err(failure) => failure,
                    }
                }
                Some(stream) => match stream.next().await {
                    Ok(message) => {
                        self.last = message.id.or_else(|| self.last.take());
                        // A later daemon's kinds of events are not for this program.
                        match serde_json::from_str(&message.data) {
                            Ok(event) => return Step::Event(event),
                            Err(_) => continue,
                        }
                    }
                    Err(failure) => failure,
                },
            };
            self.stream = None;
            self.failed = self.failed.saturating_add(1);
            if self.failed == 1 {
                return Step::Away(failure);
            }
        }
    }
}
