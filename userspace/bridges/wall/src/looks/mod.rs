//! Pictures and sound of a session now.
//!
//! A viewer asks for the looks of the sessions whose tiles it shows ([`Looks::want`]). While a viewer asks for a session, the
//! wall is attached to it, and makes a small picture or a row of levels of it as often as the most demanding viewer wants.
//!
//! How a frame becomes a picture: the wall *samples* its sessions ([`Client::attach_to_sample`]), so that it is never a
//! client that is too slow. When a look is due, the worker thread takes the newest frame, copies the few pixels of the small
//! picture, and returns it: the loan lasts less than a millisecond, and no loan is held while the picture is compressed, or
//! while the worker waits. Of sound it takes every block, in turns that are shorter than the time in which the quota fills.
//! Attaching may take seconds, and compressing milliseconds: both have threads of their own.

mod essence;
mod snapshots;
mod source;
mod worker;

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use onair::Client;
use onair_api::SessionId;
use serde::Serialize;
use tokio::sync::{Notify, watch};

use worker::Encoder;

pub(crate) use essence::is_shown;
pub use essence::{Level, Painter, Pixels};

/// A viewer that has not asked for so long does not look any more.
const PATIENCE: Duration = Duration::from_secs(4);
/// Sessions of which the wall makes looks at a time.
const MOST: usize = 128;

/// A look at a session.
#[derive(Clone, Debug)]
pub struct Look {
    /// The session.
    pub session: SessionId,
    /// Later looks have greater numbers, of all sessions together.
    pub sequence: u64,
    /// Its content.
    pub seen: LookContent,
    /// A picture, compressed as JPEG.
    pub jpeg: Bytes,
}

/// Content of a look.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum LookContent {
    /// A picture.
    Picture {
        /// Number of the frame since the session's creation; `None`: a snapshot has none.
        number: Option<u64>,
        /// All its bytes arrived.
        complete: bool,
        /// Pixels in a line, and lines.
        size: (u16, u16),
    },
    /// The levels of each channel since the look before.
    Sound {
        /// Of each channel, the first first.
        levels: Vec<Level>,
    },
    /// Nothing is shown.
    Nothing {
        /// Why, in a sentence.
        why: String,
    },
}

/// How the wall gets to the pictures of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// As a client that samples.
    Attach,
    /// The daemon makes one of the packets, now and then.
    Snapshot,
}

/// A viewer's wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Pixels in a line of a picture.
    pub width: u16,
    /// Time from one look to the next.
    pub every: Duration,
}

impl Wish {
    /// Within what the wall makes.
    #[must_use]
    pub fn within(width: u16, every: Duration) -> Self {
        Self {
            width: width.clamp(64, 960),
            every: every.clamp(Duration::from_millis(100), Duration::from_secs(2)),
        }
    }

    fn or(self, other: Self) -> Self {
        Self {
            width: self.width.max(other.width),
            every: self.every.min(other.every),
        }
    }
}

/// The newest looks. Clones are the same.
#[derive(Clone, Debug)]
pub struct Looks(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    /// Wakes a worker that has nothing to do.
    wanted: Condvar,
    /// Wakes what asks the daemon for snapshots.
    wanted_of_daemon: Notify,
    newest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    wants: HashMap<SessionId, Want>,
    seen: HashMap<SessionId, Arc<Look>>,
    sequence: u64,
    is_over: bool,
}

/// The wishes of all viewers of a session together.
#[derive(Clone, Copy, Debug)]
struct Want {
    wish: Wish,
    way: Way,
    asked: Instant,
}

impl State {
    /// The sessions that are wanted now in this way. Forgets what is not.
    fn wanted(&mut self, way: Way) -> impl Iterator<Item = (SessionId, Wish)> + '_ {
        self.wants.retain(|_, it| it.asked.elapsed() < PATIENCE);
        let wants = &self.wants;
        self.seen.retain(|id, _| wants.contains_key(id));
        let of_way = wants.iter().filter(move |(_, it)| it.way == way);
        of_way.map(|(id, it)| (*id, it.wish))
    }
}

impl Looks {
    /// Looks at sessions of this daemon: a runtime of tokio is needed.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(client: &Client, control: onair_control::Client) -> std::io::Result<Self> {
        let looks = Self::new();
        let encoder = Encoder::start(looks.clone())?;
        worker::start(looks.clone(), client, encoder.clone())?;
        tokio::spawn(snapshots::run(looks.clone(), control, encoder));
        Ok(looks)
    }

    fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::default(),
            wanted: Condvar::new(),
            wanted_of_daemon: Notify::new(),
            newest: watch::channel(0).0,
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says that a viewer looks at these sessions.
    pub fn want(&self, sessions: &[(SessionId, Way)], wish: Wish) {
        let mut state = self.state();
        let asked = Instant::now();
        for (id, way) in sessions {
            let way = *way;
            let is_full = state.wants.len() >= MOST;
            match state.wants.get_mut(id) {
                // A viewer that wants less does not lower what another one has asked for just now.
                Some(want) => {
                    let wish = match asked - want.asked < PATIENCE / 2 {
                        true => wish.or(want.wish),
                        false => wish,
                    };
                    *want = Want { wish, way, asked };
                }
                None if is_full => {}
                None => {
                    state.wants.insert(*id, Want { wish, way, asked });
                }
            }
        }
        drop(state);
        self.0.wanted.notify_one();
        self.0.wanted_of_daemon.notify_one();
    }

    /// The looks at these sessions after the one with number `after`.
    #[must_use]
    pub fn after(&self, sessions: &[SessionId], after: u64) -> Vec<Arc<Look>> {
        let state = self.state();
        let seen = sessions.iter().filter_map(|it| state.seen.get(it));
        seen.filter(|it| it.sequence > after).cloned().collect()
    }

    /// Tells of each new look.
    #[must_use]
    pub fn newest(&self) -> watch::Receiver<u64> {
        self.0.newest.subscribe()
    }

    /// Detaches from all sessions.
    pub fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        state.wants.clear();
        drop(state);
        self.0.wanted.notify_one();
    }

    fn publish(&self, session: SessionId, seen: LookContent, jpeg: Bytes) {
        let mut state = self.state();
        state.sequence += 1;
        let sequence = state.sequence;
        let look = Look {
            session,
            sequence,
            seen,
            jpeg,
        };
        state.seen.insert(session, Arc::new(look));
        drop(state);
        self.0.newest.send_replace(sequence);
    }

    fn say(&self, session: SessionId, why: &str) {
        let state = self.state();
        let last = state.seen.get(&session).map(|it| it.seen.clone());
        drop(state);
        if !matches!(last, Some(LookContent::Nothing { why: said }) if said == why) {
            let why = why.to_owned();
            self.publish(session, LookContent::Nothing { why }, Bytes::new());
        }
    }
}
