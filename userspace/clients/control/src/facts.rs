//! The daemon's facts, as one value.
//!
//! The daemon's events tell *that* something changed; what is then comes from its documents, read anew: so a lost event, an
//! unknown kind and another daemon behind the socket are one case.

use std::sync::Arc;
use std::time::Duration;

use onair_api::operations::{EventQuery, ListSessions, SessionQuery, ShowHealth};
use onair_api::{Event, Health, SessionView};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::client::Client;
use crate::error::ControlError;
use crate::events::{Events, Step};

/// Events that come within this time, or until a pause after the last look is over, are one change.
const TOGETHER: Duration = Duration::from_millis(20);

/// Facts of the daemon at one look.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Number of this look at the daemon: later ones have greater ones.
    pub number: u64,
    /// The daemon, its ports and its clock.
    pub health: Health,
    /// Its sessions, oldest first.
    pub sessions: Vec<SessionView>,
    /// It does not answer now: the rest is what it said last.
    pub away: bool,
}

/// How the daemon is followed.
#[derive(Clone, Copy, Debug)]
pub struct Following<E> {
    /// Longest time between two looks: figures, the clock and the links change without an event.
    pub again: Duration,
    /// Which sessions count.
    pub keep: fn(&SessionView) -> bool,
    /// Is called with each event, as it comes.
    pub event: E,
}

/// Follows the daemon: the newest facts, `None` before it has answered for the first time. Ends with the last reader.
#[must_use]
pub fn watch(
    client: Client,
    following: Following<impl FnMut(&Event) + Send + 'static>,
) -> watch::Receiver<Option<Arc<Facts>>> {
    let (sender, receiver) = watch::channel(None);
    tokio::spawn(follow(client, following, sender));
    receiver
}

async fn follow(
    client: Client,
    mut following: Following<impl FnMut(&Event)>,
    facts: watch::Sender<Option<Arc<Facts>>>,
) {
    let mut events = Events::new(client.clone(), EventQuery::default());
    let (mut number, mut pause, mut said) = (0, Instant::now(), String::new());
    while !facts.is_closed() {
        match tokio::time::timeout(following.again, events.next()).await {
            Ok(Step::Away(error)) => {
                lose(&facts, &error, &mut said);
                continue;
            }
            Ok(Step::Event(event)) => {
                (following.event)(&event);
                let until = pause.max(Instant::now() + TOGETHER);
                let mut lost = false;
                while let (false, Ok(step)) = (lost, timeout_at(until, events.next()).await) {
                    if let Step::Event(event) = &step {
                        (following.event)(event);
                    }
                    lost = matches!(step, Step::Away(_));
                }
                if lost {
                    facts.send_if_modified(away);
                    continue;
                }
            }
            Ok(Step::Connected) | Err(_) => {}
        }
        number += 1;
        let began = Instant::now();
        match read(&client, following.keep, number).await {
            Ok(now) => {
                let last = facts.send_replace(Some(Arc::new(now)));
                if last.is_none_or(|it| it.away) {
                    tracing::info!("the daemon answers");
                }
                said.clear();
            }
            Err(error) => lose(&facts, &error, &mut said),
        }
        // However many events come, the daemon answers these looks for a fifth of its time at most.
        pause = Instant::now() + (began.elapsed() * 4).min(following.again);
    }
}

/// The daemon does not answer, or refuses: the log says each reason once.
fn lose(facts: &watch::Sender<Option<Arc<Facts>>>, error: &ControlError, said: &mut String) {
    facts.send_if_modified(away);
    let now = error.to_string();
    if *said != now {
        tracing::warn!("{now}");
        *said = now;
    }
}

fn away(facts: &mut Option<Arc<Facts>>) -> bool {
    match facts {
        Some(facts) if !facts.away => {
            Arc::make_mut(facts).away = true;
            true
        }
        _ => false,
    }
}

async fn read(
    client: &Client,
    keep: fn(&SessionView) -> bool,
    number: u64,
) -> Result<Facts, ControlError> {
    let health = client.call::<ShowHealth>(&(), &()).await?.read()?;
    let mut sessions = Vec::new();
    let mut query = SessionQuery {
        full: true,
        ..SessionQuery::default()
    };
    loop {
        let list = client.call::<ListSessions>(&(), &query).await?.read()?;
        let views = list.sessions.into_iter().filter_map(|it| it.view);
        sessions.extend(views.map(|it| *it).filter(keep));
        query.after = list.next;
        if query.after.is_none() {
            break;
        }
    }
    Ok(Facts {
        number,
        health,
        sessions,
        away: false,
    })
}
