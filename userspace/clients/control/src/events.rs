//! Events that outlast the daemon.

use std::time::Duration;

use onair_api::Event;
use onair_api::operations::EventQuery;
use tokio::task::JoinSet;

use crate::client::Client;
use crate::error::ControlError;
use crate::stream::Stream;

/// Pause after the first failed connection of a row; it doubles up to [`LONGEST`].
const PAUSE: Duration = Duration::from_millis(100);
/// Longest such pause.
const LONGEST: Duration = Duration::from_secs(5);

/// Result of [`Events::next`].
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
    /// One connection, or none.
    connecting: JoinSet<Result<Stream, ControlError>>,
    /// Id of the last event: the daemon has it, or is another one, all of whose events are later.
    last: Option<String>,
    failed: u32,
}

impl Events {
    /// The events that `query` asks for, from now on; after a break, those since the last one.
    #[must_use]
    pub fn new(client: Client, query: EventQuery) -> Self {
        Self {
            client,
            query,
            stream: None,
            connecting: JoinSet::new(),
            last: None,
            failed: 0,
        }
    }

    /// Waits for the next step. To drop the wait loses nothing: a connection goes on, with its pause.
    pub async fn next(&mut self) -> Step {
        loop {
            let failure = match &mut self.stream {
                None => {
                    if self.connecting.is_empty() {
                        self.connecting.spawn(self.connection());
                    }
                    match self.connecting.join_next().await {
                        Some(Ok(Ok(stream))) => {
                            (self.stream, self.failed) = (Some(stream), 0);
                            return Step::Connected;
                        }
                        Some(Ok(Err(failure))) => failure,
                        // It ended otherwise: with its runtime.
                        Some(Err(_)) | None => continue,
                    }
                }
                Some(stream) => match stream.next().await {
                    Ok(data) => {
                        // A later daemon's kinds of events are not for this program.
                        match serde_json::from_str(&data) {
                            Ok(event) => return Step::Event(event),
                            Err(_) => continue,
                        }
                    }
                    Err(failure) => {
                        let last = stream.last_id().map(str::to_owned);
                        self.last = last.or_else(|| self.last.take());
                        failure
                    }
                },
            };
            self.stream = None;
            self.failed = self.failed.saturating_add(1);
            if self.failed == 1 {
                return Step::Away(failure);
            }
        }
    }

    /// Connects after a pause.
    fn connection(&self) -> impl Future<Output = Result<Stream, ControlError>> + use<> {
        let pause = match self.failed {
            0 | 1 => Duration::ZERO,
            failed => LONGEST.min(PAUSE.saturating_mul(1 << (failed - 2).min(6))),
        };
        let (client, query) = (self.client.clone(), self.query.clone());
        let last = self.last.clone();
        async move {
            tokio::time::sleep(pause).await;
            client.follow(&query, last.as_deref()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::{UnixListener, UnixStream};
    use std::path::Path;
    use std::thread;

    use tokio::time::timeout;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    fn followed(socket: &Path) -> Events {
        Events::new(Client::new(socket, LONG), EventQuery::default())
    }

    /// Accepts a reader, sends `body`, and goes on with the reader's request.
    fn serve(listener: &UnixListener, body: &str) -> (UnixStream, String) {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let lines = lines.map(Result::unwrap);
        let request: Vec<_> = lines.take_while(|it| !it.is_empty()).collect();
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
        stream
            .write_all((head.to_owned() + body).as_bytes())
            .unwrap();
        (stream, request.join("\n"))
    }

    #[tokio::test]
    async fn waits_that_are_dropped_then_it_connects_all_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let mut events = followed(&socket);
        // Each wait is shorter than the pause to which failures lead.
        let wait = PAUSE / 2;
        for _ in 0..10 {
            let step = timeout(wait, events.next()).await;
            assert!(matches!(step, Err(_) | Ok(Step::Away(_))), "{step:?}");
        }
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = thread::spawn(move || serve(&listener, ""));
        let connected =
            async { while !matches!(timeout(wait, events.next()).await, Ok(Step::Connected)) {} };
        timeout(LONG, connected).await.unwrap();
        daemon.join().unwrap();
    }

    #[tokio::test]
    async fn daemon_dies_before_an_event_then_the_next_is_asked_for_all() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("control.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = thread::spawn(move || {
            drop(serve(&listener, "id: 6b000e6b.5\n\n"));
            serve(&listener, "").1
        });
        let mut events = followed(&socket);
        for _ in 0..3 {
            timeout(LONG, events.next()).await.unwrap();
        }
        let request = daemon.join().unwrap();
        assert!(request.contains("last-event-id: 6b000e6b.5"), "{request}");
    }
}
