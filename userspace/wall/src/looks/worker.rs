//! The thread that takes frames.

use std::collections::{HashMap, HashSet};
use std::sync::PoisonError;
use std::time::{Duration, Instant};
use std::{io, thread};

use axum::body::Bytes;
use onair::{Client, Contents, Error, Session};
use onair_api::SessionId;

use super::attacher::Attacher;
use super::encoder::Encoder;
use super::essence::Given;
use super::source::Source;
use super::{Looks, PATIENCE, Wish};

/// Longest time between two turns.
const TURN: Duration = Duration::from_millis(20);
/// Shortest one.
const SHORTEST: Duration = Duration::from_millis(1);
/// After a session could not be attached to.
const AGAIN: Duration = Duration::from_secs(3);
/// After a frame of a session was lost for the wall.
const REST: Duration = Duration::from_secs(30);

pub(super) fn start(looks: Looks, client: Client) -> io::Result<()> {
    let attacher = Attacher::start(&client)?;
    let encoder = Encoder::start(looks.clone())?;
    let mut worker = Worker {
        looks,
        attacher,
        sources: HashMap::new(),
        asked: HashSet::new(),
        failed: HashMap::new(),
        encoder,
    };
    let thread = thread::Builder::new().name("wall-look".to_owned());
    thread.spawn(move || worker.run())?;
    Ok(())
}

struct Worker {
    looks: Looks,
    attacher: Attacher,
    sources: HashMap<SessionId, Source>,
    /// What the attacher works at.
    asked: HashSet<SessionId>,
    /// When a session may be tried again.
    failed: HashMap<SessionId, Instant>,
    encoder: Encoder,
}

impl Worker {
    fn run(&mut self) {
        while let Some(wants) = self.wants() {
            let began = Instant::now();
            self.attach(&wants);
            self.sources.retain(|id, _| wants.contains_key(id));
            self.rest();
            for (id, wish) in &wants {
                self.drain(*id, *wish);
            }
            let patience = self.sources.values().map(Source::patience).min();
            let turn = patience.unwrap_or(TURN).clamp(SHORTEST, TURN);
            thread::sleep(turn.saturating_sub(began.elapsed()));
        }
    }

    /// What viewers want now; waits until they want something. `None`: the process ends.
    fn wants(&self) -> Option<HashMap<SessionId, Wish>> {
        let shared = &self.looks.0;
        let mut state = self.looks.state();
        loop {
            if state.is_over {
                return None;
            }
            state.wants.retain(|_, it| it.asked.elapsed() < PATIENCE);
            let state_of = &mut *state;
            let wants = &state_of.wants;
            state_of.seen.retain(|id, _| wants.contains_key(id));
            // Sessions that are not wanted any more are detached from by one more turn.
            if !state.wants.is_empty() || !self.sources.is_empty() || !self.asked.is_empty() {
                return Some(state.wants.iter().map(|(id, it)| (*id, it.wish)).collect());
            }
            let waited = shared.wanted.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn attach(&mut self, wants: &HashMap<SessionId, Wish>) {
        self.failed.retain(|_, again| *again > Instant::now());
        for id in wants.keys() {
            let is_known = self.sources.contains_key(id) || self.failed.contains_key(id);
            if !is_known && self.asked.insert(*id) {
                self.attacher.ask(*id);
            }
        }
        while let Some((id, attached)) = self.attacher.take() {
            self.asked.remove(&id);
            match attached {
                Ok(session) => self.enter(id, session),
                Err(error) => self.fail(id, &reason(&error)),
            }
        }
    }

    fn enter(&mut self, id: SessionId, session: Session<Contents>) {
        match Source::new(session) {
            Ok(source) if source.id() == id => {
                self.sources.insert(id, source);
            }
            Ok(_) => self.fail(id, "Another session has its place."),
            Err(why) => self.fail(id, &why),
        }
    }

    fn fail(&mut self, id: SessionId, why: &str) {
        self.sources.remove(&id);
        self.failed.insert(id, Instant::now() + AGAIN);
        self.looks.say(id, why);
    }

    /// Leaves sessions for which the wall was too slow, before their other users are told of an impaired session again.
    fn rest(&mut self) {
        let slow = std::mem::take(&mut self.looks.state().slow);
        for (id, attachment) in slow {
            let is_own = |it: &Source| it.attachment() == attachment;
            if self.sources.get(&id).is_some_and(is_own) {
                self.fail(id, "No picture: this machine is too busy.");
                self.failed.insert(id, Instant::now() + REST);
            }
        }
    }

    fn drain(&mut self, id: SessionId, wish: Wish) {
        let Some(source) = self.sources.get_mut(&id) else {
            return;
        };
        match source.drain(wish) {
            Ok(None) => {}
            Ok(Some(Given::Pixels(pixels, seen))) => self.encoder.encode((id, pixels, seen)),
            Ok(Some(Given::Look(seen))) => self.looks.publish(id, seen, Bytes::new()),
            Err(Error::Stopped) => self.looks.say(id, "Stopped."),
            Err(error) => self.fail(id, &reason(&error)),
        }
    }
}

/// Why there is no picture, for a tile.
fn reason(error: &Error) -> String {
    match error {
        Error::Stale => "The session is gone.".to_owned(),
        Error::Disconnected | Error::NoDaemon { .. } => "The daemon is away.".to_owned(),
        error => format!("No picture: {error}"),
    }
}
