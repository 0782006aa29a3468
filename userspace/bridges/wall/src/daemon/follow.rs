//! The task that follows the daemon.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onair_api::operations::{ListBlockers, ListGroups};
use onair_api::{
    Health, HealthStatus, SessionId, SessionState, SessionView, SignalState, Timestamp,
};
use onair_control::{Client, Facts, Following};
use serde::Serialize;
use tokio::sync::watch;

use super::tile::{Tile, is_ending};
use crate::news::News;

/// Figures are as old as this at most.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Sessions whose users are asked for in a look: each is a request.
const ENDING: usize = 8;
/// Users that a tile names.
const NAMED: usize = 8;
/// How long it is kept.
const KEPT: Duration = Duration::from_secs(3600);
/// Changes of a session; of more the oldest are dropped.
const MOST: usize = 600;

/// The daemon's last facts. Clones share them. Clones are the same.
#[derive(Clone, Debug)]
pub struct Daemon {
    facts: watch::Receiver<Option<Arc<Facts>>>,
    history: Arc<Mutex<History>>,
    /// It is on another machine: none of its memory is here.
    is_remote: bool,
}

impl Daemon {
    /// The newest facts; `None` before it has answered for the first time.
    #[must_use]
    pub fn facts(&self) -> Option<Arc<Facts>> {
        self.facts.borrow().clone()
    }

    /// A session, by its id.
    #[must_use]
    pub fn session(&self, id: SessionId) -> Option<SessionView> {
        let facts = self.facts()?;
        facts.sessions.iter().find(|it| it.id == id).cloned()
    }

    /// Changes of a session in the last hour, oldest first.
    #[must_use]
    pub fn history(&self, id: SessionId) -> Vec<Change> {
        self.lock().of(id)
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows the daemon, which may be on another machine, and publishes what changes, until the last clone of the answer is gone.
#[must_use]
pub fn follow(client: Client, news: News, is_remote: bool) -> Daemon {
    let events = news.clone();
    let following = Following {
        again: LOOK_AGAIN,
        keep: |_| true,
        event: move |event: &_| events.event(event),
    };
    let facts = onair_control::watch(client.clone(), following);
    let daemon = Daemon {
        facts,
        history: Arc::default(),
        is_remote,
    };
    tokio::spawn(publish(client, daemon.clone(), news));
    daemon
}

async fn publish(client: Client, daemon: Daemon, news: News) {
    let mut facts = daemon.facts.clone();
    let mut was_away = false;
    while facts.changed().await.is_ok() {
        let Some(now) = facts.borrow_and_update().clone() else {
            continue;
        };
        news.daemon(&DaemonState::of(&now.health, now.away, daemon.is_remote));
        if now.away != was_away {
            was_away = now.away;
            news.event(&Presence::of(now.away));
        }
        if now.away {
            continue;
        }
        daemon.lock().look(&now.sessions, Timestamp::now());
        let mut tiles: Vec<_> = now
            .sessions
            .iter()
            .map(|it| (it.id, Tile::of(it)))
            .collect();
        let skews = skews(&client, &now).await;
        for (id, tile) in &mut tiles {
            tile.group_skew_ms = skews.get(id).copied();
            tile.has_look &= !daemon.is_remote;
        }
        let ending = now.sessions.iter().filter(|it| is_ending(it)).take(ENDING);
        for view in ending {
            let users = blockers(&client, view.id).await;
            if let Some((_, tile)) = tiles.iter_mut().find(|(id, _)| *id == view.id) {
                tile.is_held_by(users, view.stopped_at);
            }
        }
        news.tiles(tiles);
    }
}

/// An event that is the wall's own.
#[derive(Debug, Serialize)]
struct Presence {
    at: Timestamp,
    kind: &'static str,
}

impl Presence {
    fn of(is_away: bool) -> Self {
        Self {
            at: Timestamp::now(),
            kind: match is_away {
                true => "daemon_does_not_answer",
                false => "daemon_answers_again",
            },
        }
    }
}

/// How far each member of a group is from the first one, in ms.
async fn skews(client: &Client, facts: &Facts) -> HashMap<SessionId, i64> {
    if facts.sessions.iter().all(|it| it.member_of.is_none()) {
        return HashMap::new();
    }
    let answer = client.call::<ListGroups>(&(), &()).await;
    let groups = answer.and_then(|it| it.read()).map(|it| it.groups);
    let members = groups
        .unwrap_or_default()
        .into_iter()
        .flat_map(|it| it.members);
    members
        .filter_map(|it| Some((it.session.id, it.skew_ns? / 1_000_000)))
        .collect()
}

/// The users of a session, each in a line; none if the daemon does not say.
async fn blockers(client: &Client, id: SessionId) -> Vec<String> {
    let answer = client.call::<ListBlockers>(&id.into(), &()).await;
    match answer.and_then(|it| it.read()) {
        Ok(list) => list
            .blockers
            .iter()
            .take(NAMED)
            .map(ToString::to_string)
            .collect(),
        Err(error) => {
            tracing::debug!(%error, "the users of a session are not known");
            Vec::new()
        }
    }
}

/// From this time on a session was so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// When the wall saw it.
    pub at: Timestamp,
    /// State of the session.
    pub state: SessionState,
    /// Its signal, while it ran.
    pub signal: Option<SignalState>,
    /// One sentence.
    pub sentence: Option<String>,
}

/// The changes of all sessions.
#[derive(Debug, Default)]
pub(super) struct History(HashMap<SessionId, VecDeque<Change>>);

impl History {
    /// Adds what changed, and forgets sessions that are gone.
    pub(super) fn look(&mut self, sessions: &[SessionView], now: Timestamp) {
        self.0
            .retain(|id, _| sessions.iter().any(|it| it.id == *id));
        for view in sessions {
            let changes = self.0.entry(view.id).or_default();
            let signal = view.signal.as_ref();
            let next = Change {
                at: now,
                state: view.state,
                signal: signal.map(|it| it.state),
                sentence: signal.and_then(|it| it.reason.clone()),
            };
            let is_same = |it: &Change| (it.state, it.signal) == (next.state, next.signal);
            if !changes.back().is_some_and(is_same) {
                changes.push_back(next);
            }
            // The change before the hour says how it began.
            let is_old = |it: Option<&Change>| it.is_some_and(|it| it.at.age() > KEPT);
            while changes.len() > MOST || is_old(changes.get(1)) {
                changes.pop_front();
            }
        }
    }

    /// Of a session, oldest first.
    pub(super) fn of(&self, id: SessionId) -> Vec<Change> {
        self.0.get(&id).into_iter().flatten().cloned().collect()
    }
}

/// The head of the page.
#[derive(Debug, Serialize)]
pub(super) struct DaemonState {
    /// It answers; else this is what it said last.
    answers: bool,
    /// It is on another machine.
    is_remote: bool,
    version: String,
    /// Another one is another process.
    pid: u32,
    status: HealthStatus,
    problems: Vec<String>,
    /// Whether its clock follows a grandmaster, and why not.
    clock: Clock,
    ports: Vec<Port>,
}

impl DaemonState {
    pub(super) fn of(health: &Health, away: bool, is_remote: bool) -> Self {
        let ptp = &health.clock.ptp;
        let ports = health.dataplane.ports.iter();
        Self {
            answers: !away,
            is_remote,
            version: health.version.clone(),
            pid: health.pid,
            status: health.status,
            problems: health.problems.clone(),
            clock: Clock {
                state: ptp.state.to_string(),
                reason: ptp.reason.clone(),
            },
            ports: ports
                .map(|it| Port {
                    name: it.name.clone(),
                    link_up: it.link_up,
                })
                .collect(),
        }
    }
}

#[derive(Debug, Serialize)]
struct Clock {
    state: String,
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Port {
    name: String,
    link_up: bool,
}
