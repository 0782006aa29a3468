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

/// What to do now.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Send this, then tell the outcome.
    Send(Request),
    /// Nothing before this moment, or before the model or the registries change.
    Wait(Option<Instant>),
    /// Nothing any more: it has left.
    Done,
}

/// What happened, for people.
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
    Entering(Endpoint, Entrance),
    /// The node is registered. The next heartbeat is due then.
    Registered(Endpoint, Instant, Option<Conflict>),
    /// It has left.
    Over,
}

/// How a node is registered. A registry that has it already has it from another life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Entrance {
    Post,
    Delete,
    PostAgain,
}

/// A resource that is registered with another version of the API: it is deleted, and sent once more.
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
        }
    }

    /// From now on, so long is between heartbeats.
    pub fn set_heartbeat(&mut self, now: Instant, heartbeat: Duration) {
        self.heartbeat = heartbeat;
        if let State::Registered(_, due, _) = &mut self.state {
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

    /// What to do now. `registries` are in the order of their priority.
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
                true => State::Entering(registry, Entrance::Post),
                false => State::Asking(registry),
            };
        }
        self.request(now, model)
    }

    /// The request of a state that has a registry.
    fn request(&mut self, now: Instant, model: &Model) -> Step {
        let node = (Kind::Node, self.node);
        let (registry, call) = match &self.state {
            State::Asking(registry) => (registry, Call::Heartbeat(self.node)),
            State::Entering(registry, Entrance::Delete) => {
                (registry, Call::Delete(Kind::Node, self.node))
            }
            State::Entering(registry, _) => match model.documents.get(&node) {
                Some(document) => (
                    registry,
                    Call::Post(Kind::Node, self.node, document.clone()),
                ),
                None => return Step::Wait(None),
            },
            State::Registered(registry, due, conflict) => {
                let call = match conflict {
                    _ if *due <= now => Some(Call::Heartbeat(self.node)),
                    Some(it) if !it.is_deleted => Some(Call::Delete(it.kind, it.id)),
                    _ => self.known.next(model, now),
                };
                match call {
                    Some(call) => (registry, call),
                    None => return Step::Wait(self.known.due(now).into_iter().chain([*due]).min()),
                }
            }
            State::Choosing | State::Pausing(_) | State::Over => return Step::Wait(None),
        };
        Step::Send(Request {
            registry: registry.clone(),
            call,
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
        let registry = request.registry;
        let status = match outcome {
            Outcome::Status(status) if status < 300 || (400..500).contains(&status) => status,
            Outcome::Status(status) => {
                if let Some((kind, id)) = self.one_of(&request.call).filter(|_| status >= 500) {
                    let is_first = self.known.failed((kind, id), now);
                    return is_first.then_some(Note::Failed(registry, kind, id, status));
                }
                return self.lost(registry, format!("HTTP {status}"));
            }
            Outcome::Failed(why) => return self.lost(registry, why),
        };
        let done = status < 300;
        match (&mut self.state, request.call) {
            (State::Asking(_), Call::Heartbeat(_)) if done => Some(self.enter(registry, now)),
            (State::Registered(_, due, _), Call::Heartbeat(_)) if done => {
                *due = now + self.heartbeat;
                self.failed.clear();
                self.rounds = 0;
                None
            }
            (_, Call::Heartbeat(_)) if status == 404 => {
                self.known = Known::default();
                self.state = State::Entering(registry.clone(), Entrance::Post);
                Some(Note::Forgotten(registry))
            }
            (State::Entering(_, Entrance::Post), Call::Post(..)) if matches!(status, 200 | 409) => {
                self.state = State::Entering(registry, Entrance::Delete);
                None
            }
            (State::Entering(_, Entrance::Delete), Call::Delete(..)) => {
                self.state = State::Entering(registry, Entrance::PostAgain);
                None
            }
            (State::Entering(..), Call::Post(kind, id, document)) if done => {
                self.known.took((kind, id), &document);
                Some(self.enter(registry, now))
            }
            (State::Registered(_, _, conflict), Call::Post(kind, id, document)) => {
                let again = conflict.take();
                if done {
                    self.known.took((kind, id), &document);
                    return None;
                }
                if status == 409 && again.is_none() {
                    let is_deleted = false;
                    *conflict = Some(Conflict {
                        kind,
                        id,
                        is_deleted,
                    });
                    return None;
                }
                self.known.refused((kind, id), &document);
                Some(Note::Refused(registry, kind, id, status))
            }
            (State::Registered(_, _, conflict), Call::Delete(kind, id)) => {
                self.known.forgot((kind, id));
                if let Some(conflict) = conflict {
                    conflict.is_deleted = true;
                }
                None
            }
            // It refuses the node, or a heartbeat.
            _ => self.lost(registry, format!("HTTP {status}")),
        }
    }

    /// The resource of a call, while the node is registered: whether the registry works the heartbeats say then. No conflict
    /// about it is left.
    fn one_of(&mut self, call: &Call) -> Option<(Kind, Uuid)> {
        match (&mut self.state, call) {
            (
                State::Registered(_, _, conflict),
                Call::Post(kind, id, _) | Call::Delete(kind, id),
            ) => {
                *conflict = None;
                Some((*kind, *id))
            }
            _ => None,
        }
    }

    fn enter(&mut self, registry: Endpoint, now: Instant) -> Note {
        self.state = State::Registered(registry.clone(), now + self.heartbeat, None);
        Note::Registered(registry)
    }

    fn lost(&mut self, registry: Endpoint, why: String) -> Option<Note> {
        self.state = State::Choosing;
        self.failed.push(registry.clone());
        Some(Note::Lost(registry, why))
    }
}

#[cfg(test)]
mod tests;
