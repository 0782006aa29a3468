//! The states of a session, the objects that exist in each, and the transitions between them.
//!
//! [`SessionCore`](crate::SessionCore) turns events into calls of these methods, and does what they
//! return.
//!
//! `transitions.rs` lists all, and `docs/architecture.md` shows them.
//!
//! A Stopping session drains and is quarantined like a Stopped one. The runtime moves into the state
//! when the poller hands it back: no poller touches a session whose runtime is here (witness W3).

use std::time::Instant;

use onair_mutant::mutant;
use serde::{Deserialize, Serialize};

/// The state of a session. `R` is the poller's half of it, `D` a request to destroy it, `S` a
/// request to start it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Lifecycle<R, D, S> {
    /// The gates are open, and a poller has the runtime.
    Running,
    /// The gates are closed; the poller was told to hand the runtime back.
    Stopping {
        /// When the poller was told.
        #[serde(with = "crate::clock::at")]
        since: Instant,
        /// Answered when the session runs again.
        starts: Vec<S>,
    },
    /// The gates are closed, and the runtime is here; also the state of a session that never ran.
    Stopped {
        /// No poller touches it.
        runtime: R,
    },
    /// Stopped, and destroyed as soon as no user is left.
    Draining {
        /// Where the runtime is.
        custody: Custody<R>,
        /// The request, with its deadline.
        destroy: D,
    },
    /// Closed for good; its memory is freed when its last holder is gone.
    Quarantined {
        /// Where the runtime is.
        custody: Custody<R>,
    },
    /// The session has no runtime and no request any more.
    Destroyed,
}

/// Where the runtime of a session is that does not run.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Custody<R> {
    /// On the control thread.
    Here(R),
    /// With its poller, which was told to hand it back.
    Returning {
        /// When the poller was told.
        #[serde(with = "crate::clock::at")]
        since: Instant,
    },
}

/// Where the runtime is, seen from outside.
#[derive(Debug, PartialEq, Eq)]
pub enum RuntimeHolder<R> {
    /// On the control thread.
    Here(R),
    /// With its poller.
    Poller,
    /// With its poller, which was told to hand it back; or gone with the session.
    Returning,
}

/// Why a state does not allow the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The session runs.
    Running,
    /// The session is stopped, and a start waits for its poller.
    Starting,
    /// The session is being destroyed.
    Draining,
    /// The session is quarantined.
    Quarantined,
    /// The session was destroyed.
    Destroyed,
}

/// The result of a stop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Stop<S> {
    /// It ran: the caller closes the gates and tells the poller.
    Begun,
    /// It did not run; the starts that waited are cancelled.
    Already(Vec<S>),
}

/// The result of a start.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Start<S> {
    /// The runtime is here: [`Lifecycle::hand_over`] can give it to a poller.
    Possible(S),
    /// The session runs already.
    Running(S),
    /// The poller has not handed the runtime back yet: [`Lifecycle::hand_back`] returns the
    /// request.
    Waits,
    /// The state does not allow it.
    Refused(S, Refusal),
}

/// The result of a hand-back.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HandBack<R, S> {
    /// The poller was told to; these starts waited for it.
    Asked(Vec<S>),
    /// The session ran: its poller has died or refused it. The caller closes the gates.
    Unasked,
    /// The session already has a runtime, or has ended.
    Unexpected(R),
}

impl<R, D, S> Lifecycle<R, D, S> {
    /// The state of a new session: stopped.
    pub(crate) fn new(runtime: R) -> Self {
        Self::Stopped { runtime }
    }

    /// Whether the gates are open.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self, Self::Running)
    }

    /// Whether it is quarantined.
    pub(crate) fn is_quarantined(&self) -> bool {
        matches!(self, Self::Quarantined { .. })
    }

    /// The request to destroy the session, while it drains.
    pub(crate) fn destroy(&self) -> Option<&D> {
        match self {
            Self::Draining { destroy, .. } => Some(destroy),
            _ => None,
        }
    }

    /// As [`Self::destroy`], mutable.
    pub(crate) fn destroy_mut(&mut self) -> Option<&mut D> {
        match self {
            Self::Draining { destroy, .. } => Some(destroy),
            _ => None,
        }
    }

    /// Where the runtime is.
    pub(crate) fn place(&mut self) -> RuntimeHolder<&mut R> {
        match self {
            Self::Running => RuntimeHolder::Poller,
            Self::Stopped { runtime }
            | Self::Draining {
                custody: Custody::Here(runtime),
                ..
            }
            | Self::Quarantined {
                custody: Custody::Here(runtime),
            } => RuntimeHolder::Here(runtime),
            Self::Stopping { .. }
            | Self::Draining { .. }
            | Self::Quarantined { .. }
            | Self::Destroyed => RuntimeHolder::Returning,
        }
    }

    /// The runtime, if it is here.
    pub(crate) fn runtime(&self) -> Option<&R> {
        match self {
            Self::Stopped { runtime }
            | Self::Draining {
                custody: Custody::Here(runtime),
                ..
            }
            | Self::Quarantined {
                custody: Custody::Here(runtime),
            } => Some(runtime),
            _ => None,
        }
    }

    /// As [`Self::runtime`], mutable.
    pub(crate) fn runtime_mut(&mut self) -> Option<&mut R> {
        match self.place() {
            RuntimeHolder::Here(runtime) => Some(runtime),
            RuntimeHolder::Poller | RuntimeHolder::Returning => None,
        }
    }

    /// When the poller was told to hand the runtime back, while that is pending.
    pub(crate) fn returning_since(&self) -> Option<Instant> {
        match self {
            Self::Stopping { since, .. }
            | Self::Draining {
                custody: Custody::Returning { since },
                ..
            }
            | Self::Quarantined {
                custody: Custody::Returning { since },
            } => Some(*since),
            _ => None,
        }
    }

    /// Stops the session. `now` is when the poller is told.
    pub(crate) fn stop(&mut self, now: Instant) -> Stop<S> {
        match self {
            Self::Running => {
                *self = Self::Stopping {
                    since: now,
                    starts: Vec::new(),
                };
                Stop::Begun
            }
            Self::Stopping { starts, .. } => Stop::Already(mutant!(
                "lifecycle: a stop leaves the starts that wait",
                Vec::new(),
                std::mem::take(starts)
            )),
            _ => Stop::Already(Vec::new()),
        }
    }

    /// The starts that wait for the poller, which will not hand the runtime back.
    pub(crate) fn take_starts(&mut self) -> Vec<S> {
        match self {
            Self::Stopping { starts, .. } => std::mem::take(starts),
            _ => Vec::new(),
        }
    }

    /// Requests a start.
    pub(crate) fn start(&mut self, request: S) -> Start<S> {
        match self {
            Self::Stopped { .. } => Start::Possible(request),
            Self::Running => Start::Running(request),
            Self::Stopping { starts, .. } => {
                starts.push(request);
                Start::Waits
            }
            Self::Draining { .. } => Start::Refused(request, Refusal::Draining),
            Self::Quarantined { .. } => Start::Refused(request, Refusal::Quarantined),
            Self::Destroyed => Start::Refused(request, Refusal::Destroyed),
        }
    }

    /// Takes the runtime out for a poller: from here on the session runs. Returns `None` and
    /// changes nothing if the session is not stopped.
    pub(crate) fn hand_over(&mut self) -> Option<R> {
        match std::mem::replace(self, Self::Running) {
            Self::Stopped { runtime } => Some(runtime),
            other => {
                *self = other;
                None
            }
        }
    }

    /// A poller handed the runtime back.
    pub(crate) fn hand_back(&mut self, runtime: R) -> HandBack<R, S> {
        match self {
            Self::Running => {
                *self = Self::Stopped { runtime };
                HandBack::Unasked
            }
            Self::Stopping { starts, .. } => {
                let starts = std::mem::take(starts);
                *self = Self::Stopped { runtime };
                HandBack::Asked(starts)
            }
            Self::Draining { custody, .. } | Self::Quarantined { custody } => match custody {
                Custody::Here(_) if !mutant!("lifecycle: a second runtime replaces the first") => {
                    HandBack::Unexpected(runtime)
                }
                _ => {
                    *custody = Custody::Here(runtime);
                    HandBack::Asked(Vec::new())
                }
            },
            Self::Stopped { .. } | Self::Destroyed => HandBack::Unexpected(runtime),
        }
    }

    /// Whether [`Self::begin_destroy`] would begin.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_destroy(&self) -> Result<(), Refusal> {
        match self {
            Self::Stopping { starts, .. }
                if !starts.is_empty() && !mutant!("lifecycle: drains although a start waits") =>
            {
                Err(Refusal::Starting)
            }
            Self::Stopping { .. } | Self::Stopped { .. } => Ok(()),
            Self::Running => Err(Refusal::Running),
            Self::Draining { .. } => Err(Refusal::Draining),
            Self::Quarantined { .. } => Err(Refusal::Quarantined),
            Self::Destroyed => Err(Refusal::Destroyed),
        }
    }

    /// Starts draining.
    ///
    /// # Errors
    /// As [`Self::check_destroy`]; returns the request.
    pub(crate) fn begin_destroy(&mut self, destroy: D) -> Result<(), (Refusal, D)> {
        if let Err(refusal) = self.check_destroy() {
            return Err((refusal, destroy));
        }
        let custody = self.take_custody().expect("checked: it is stopped");
        *self = Self::Draining { custody, destroy };
        Ok(())
    }

    /// Ends the draining; the session stays.
    pub(crate) fn withdraw_destroy(&mut self) -> Option<D> {
        match std::mem::replace(self, Self::Destroyed) {
            Self::Draining { custody, destroy } => {
                *self = match custody {
                    Custody::Here(runtime) => Self::Stopped { runtime },
                    Custody::Returning { since } => Self::Stopping {
                        since,
                        starts: Vec::new(),
                    },
                };
                Some(destroy)
            }
            other => {
                *self = other;
                None
            }
        }
    }

    /// Whether [`Self::quarantine`] would close it.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check_quarantine(&self) -> Result<(), Refusal> {
        match self.check_destroy() {
            Err(Refusal::Starting) => Ok(()),
            checked => checked,
        }
    }

    /// Closes the session for good. Returns the cancelled starts.
    ///
    /// # Errors
    /// As [`Self::check_quarantine`].
    pub(crate) fn quarantine(&mut self) -> Result<Vec<S>, Refusal> {
        self.check_quarantine()?;
        let starts = match self {
            Self::Stopping { starts, .. } => std::mem::take(starts),
            _ => Vec::new(),
        };
        let custody = self.take_custody().expect("checked: it is stopped");
        *self = Self::Quarantined { custody };
        Ok(starts)
    }

    /// Ends the session, with its runtime. Returns the request that it completes.
    pub(crate) fn end(&mut self) -> Option<D> {
        match std::mem::replace(self, Self::Destroyed) {
            Self::Draining { destroy, .. } => Some(destroy),
            _ => None,
        }
    }

    /// Where the runtime of a stopped session is; the session is `Destroyed` until the caller sets
    /// another state.
    fn take_custody(&mut self) -> Option<Custody<R>> {
        match std::mem::replace(self, Self::Destroyed) {
            Self::Stopping { since, .. } => Some(Custody::Returning { since }),
            Self::Stopped { runtime } => Some(Custody::Here(runtime)),
            other => {
                *self = other;
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod transitions;
