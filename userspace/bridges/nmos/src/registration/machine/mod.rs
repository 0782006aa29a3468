//! Decides what a registry is asked next.

use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::{Call, Known, Outcome, Request};
use crate::endpoint::{Endpoint, pause};
use crate::model::Model;
use crate::resources::Kind;

/// Between heartbeats, unless the plant has another time. A registry forgets a node after 12 s.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// The next step.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this, then tell the outcome.
    Send(Request),
    /// Nothing before this moment, or before the model or the registries change.
    Wait(Option<Instant>),
    /// Nothing any more: it has left.
    Done,
}

/// An event, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// A registry has the node.
    Registered(Endpoint),
    /// A registry failed: another one is next.
    Lost(Endpoint, String),
    /// A registry refused a resource, with this status.
    Refused(Endpoint, Kind, Uuid, u16),
    /// A registry failed at a resource, with this status: it is sent again later.
    Failed(Endpoint, Kind, Uuid, u16),
    /// A registry has forgotten the node: all is registered again.
    Forgotten(Endpoint),
}

/// The registration of one node.
#[derive(Debug)]
pub struct Machine {
    node: Uuid,
    state: State,
    /// Registries that failed since one worked.
    failed: Vec<Endpoint>,
    /// How often all of them failed in a row.
    rounds: u32,
    known: Known,
    leaving: bool,
    heartbeat: Duration,
    conflict: Option<Conflict>,
}

#[derive(Debug)]
enum State {
    /// Takes the first registry that has not failed.
    Choosing,
    /// All registries failed.
    Pausing(Instant),
    /// Another registry failed; this one may have what that one had.
    Asking(Endpoint),
    /// The node is not registered.
    Entering(Endpoint),
    /// The node is registered. The next heartbeat is due then.
    Registered(Endpoint, Instant),
    /// It has left.
    Over,
}

/// A resource that the registry has from another life, or with another version of the API: it is deleted, and sent once
/// more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Conflict {
    kind: Kind,
    id: Uuid,
    is_deleted: bool,
}

impl Machine {
    /// Of the node with this id.
    #[must_use]
    pub fn new(node: Uuid) -> Self {
        Self {
            node,
            state: State::Choosing,
            failed: Vec::new(),
            rounds: 0,
            known: Known::default(),
            leaving: false,
            heartbeat: HEARTBEAT,
            conflict: None,
        }
    }

    /// From now on, so long is between heartbeats.
    pub fn set_heartbeat(&mut self, now: Instant, heartbeat: Duration) {
        self.heartbeat = heartbeat;
        if let State::Registered(_, due) = &mut self.state {
            *due = (*due).min(now + heartbeat);
        }
    }

    /// From now on, the registry is to forget everything.
    pub fn leave(&mut self) {
        self.leaving = true;
    }

    /// The registry that has the node.
    #[must_use]
    pub const fn registry(&self) -> Option<&Endpoint> {
        match &self.state {
            State::Registered(registry, ..) => Some(registry),
            _ => None,
        }
    }

    /// The next step. `registries` are in the order of their priority.
    pub fn next(&mut self, now: Instant, model: &Model, registries: &[Endpoint]) -> Step {
        if self.leaving {
            return self.leave_next(now);
        }
        if !model.is_known {
            return Step::Wait(None);
        }
        if let State::Pausing(until) = self.state {
            if now < until {
                return Step::Wait(Some(until));
            }
            self.state = State::Choosing;
        }
        if let State::Choosing = self.state {
            let mut usable = registries.iter().filter(|it| !self.failed.contains(it));
            let Some(registry) = usable.next().cloned() else {
                self.failed.clear();
                if registries.is_empty() {
                    return Step::Wait(None);
                }
                let pause = pause(self.rounds);
                self.rounds += 1;
                self.state = State::Pausing(now + pause);
                return Step::Wait(Some(now + pause));
            };
            self.state = match self.known.is_empty() {
                true => State::Entering(registry),
                false => State::Asking(registry),
            };
        }
        self.request(now, model)
    }

    /// The request of a state that has a registry.
    fn request(&mut self, now: Instant, model: &Model) -> Step {
        let delete = self.conflict.filter(|it| !it.is_deleted);
        let delete = delete.map(|it| Call::Delete(it.kind, it.id));
        let (registry, call) = match &self.state {
            State::Asking(registry) => (registry, Some(Call::Heartbeat(self.node))),
            State::Entering(registry) => {
                let node = model.documents.get(&(Kind::Node, self.node));
                let post = node.map(|it| Call::Post(Kind::Node, self.node, it.clone()));
                (registry, delete.or(post))
            }
            State::Registered(registry, due) if *due <= now => {
                (registry, Some(Call::Heartbeat(self.node)))
            }
            State::Registered(registry, due) => {
                let call = delete.or_else(|| self.known.next(model, now));
                if call.is_none() {
                    return Step::Wait(self.known.due(now).into_iter().chain([*due]).min());
                }
                (registry, call)
            }
            State::Choosing | State::Pausing(_) | State::Over => return Step::Wait(None),
        };
        let registry = registry.clone();
        call.map_or(Step::Wait(None), |call| {
            Step::Send(Request { registry, call })
        })
    }

    fn leave_next(&mut self, now: Instant) -> Step {
        let nothing = Model::default();
        let call = match &self.state {
            State::Registered(registry, ..) => self
                .known
                .next(&nothing, now)
                .map(|it| (registry.clone(), it)),
            _ => None,
        };
        match call {
            Some((registry, call)) => Step::Send(Request { registry, call }),
            None => {
                self.state = State::Over;
                Step::Done
            }
        }
    }

    /// The outcome of the request that [`Self::next`] gave last.
    pub fn answered(&mut self, now: Instant, request: Request, outcome: Outcome) -> Option<Note> {
        let Request { registry, call } = request;
        let is_entering = matches!(self.state, State::Entering(_));
        let status = match outcome {
            Outcome::Status(status) if status < 300 || (400..500).contains(&status) => status,
            Outcome::Status(status) => {
                return match call {
                    // Whether the registry works the heartbeats say.
                    Call::Post(kind, id, _) | Call::Delete(kind, id)
                        if status >= 500 && !is_entering =>
                    {
                        self.conflict = None;
                        let is_first = self.known.failed((kind, id), now);
                        is_first.then_some(Note::Failed(registry, kind, id, status))
                    }
                    _ => self.lost(registry, format!("HTTP {status}")),
                };
            }
            Outcome::Failed(why) => return self.lost(registry, why),
        };
        let done = status < 300;
        match (&mut self.state, call) {
            (State::Asking(_), Call::Heartbeat(_)) if done => Some(self.enter(registry, now)),
            (State::Registered(_, due), Call::Heartbeat(_)) if done => {
                *due = now + self.heartbeat;
                self.failed.clear();
                self.rounds = 0;
                None
            }
            (_, Call::Heartbeat(_)) if status == 404 => {
                (self.known, self.conflict) = Default::default();
                self.state = State::Entering(registry.clone());
                Some(Note::Forgotten(registry))
            }
            (_, Call::Post(kind, id, document)) => {
                let again = self.conflict.take();
                // A registry that has the node already has it from another life.
                let is_there = status == 409 || (is_entering && status == 200);
                if is_there && again.is_none() {
                    let is_deleted = false;
                    self.conflict = Some(Conflict {
                        kind,
                        id,
                        is_deleted,
                    });
                    return None;
                }
                match (done, is_entering) {
                    (true, _) => {
                        self.known.took((kind, id), &document);
                        is_entering.then(|| self.enter(registry, now))
                    }
                    (false, true) => self.lost(registry, format!("HTTP {status}")),
                    (false, false) => {
                        self.known.refused((kind, id), &document);
                        Some(Note::Refused(registry, kind, id, status))
                    }
                }
            }
            (_, Call::Delete(kind, id)) => {
                self.known.forgot((kind, id));
                let conflict = self.conflict.as_mut();
                conflict.into_iter().for_each(|it| it.is_deleted = true);
                None
            }
            // It refuses a heartbeat.
            _ => self.lost(registry, format!("HTTP {status}")),
        }
    }

    fn enter(&mut self, registry: Endpoint, now: Instant) -> Note {
        self.state = State::Registered(registry.clone(), now + self.heartbeat);
        Note::Registered(registry)
    }

    fn lost(&mut self, registry: Endpoint, why: String) -> Option<Note> {
        (self.state, self.conflict) = (State::Choosing, None);
        self.failed.push(registry.clone());
        Some(Note::Lost(registry, why))
    }
}

#[cfg(test)]
mod tests;
