//! Activations at a time.

use std::collections::BTreeSet;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use onair_api::SessionName;
use tokio::time::sleep;

use super::look::Look;
use super::{Connections, LEAD, ReadyActivation};
use crate::connection::activation::{ActivationShown, Scheduled};
use crate::connection::refusal::Refusal;
use crate::connection::staged::Staged;
use crate::connection::state::ConnectionState;
use crate::tai::Tai;

/// Clocks are set, and activations cancelled: a wait looks again so often.
pub(in crate::connection) const LOOK_AGAIN: Duration = Duration::from_millis(500);
/// How long after its time an activation is tried again: a daemon that is killed is back by then.
pub(in crate::connection) const PATIENCE: Tai = Tai::at(Duration::from_secs(20));
/// Time between such tries.
pub(in crate::connection) const TRY_AGAIN: Duration = Duration::from_millis(100);

impl Connections {
    /// Locks the resource until the time. The first one of a time waits for all of it.
    pub(super) fn schedule(
        &self,
        ready: &ReadyActivation,
        scheduled: Scheduled,
    ) -> ActivationShown {
        let (view, at) = (&ready.look.view, scheduled.at);
        self.with(view, |state| state.scheduled = Some(scheduled));
        self.wait(at);
        ActivationShown::scheduled(&scheduled, at)
    }

    /// Waits for a time that the daemon has kept, unless it is over for too long.
    pub(super) fn wait_again(&self, name: &SessionName, at: Tai) {
        if at.plus(PATIENCE).is_some_and(|it| it <= self.now()) {
            tracing::warn!("{name}: scheduled activation: its time was while onair-nmos was away");
            let (own, name) = (self.clone(), name.clone());
            tokio::spawn(async move { own.forget_scheduled(&name).await });
        } else {
            self.wait(at);
        }
    }

    /// A scheduled activation has failed: also the daemon forgets it.
    async fn forget_scheduled(&self, name: &SessionName) {
        if let Some(state) = self.states().get_mut(name).and_then(|it| it.state.as_mut()) {
            state.fail();
        }
        let facts = self.facts();
        let mut views = facts.iter().flat_map(|it| &it.sessions);
        if let Some(view) = views.find(|it| it.name == *name) {
            self.keep(view).await;
        }
    }

    fn wait(&self, at: Tai) {
        if self.times().insert(at) {
            let own = self.clone();
            tokio::spawn(async move {
                loop {
                    let left = at.before(LEAD).from(own.now());
                    if let Some(names) = own.due(at, left.is_zero()) {
                        return own.activate_at(names, at).await;
                    }
                    sleep(left.min(LOOK_AGAIN)).await;
                }
            });
        }
    }

    fn times(&self) -> MutexGuard<'_, BTreeSet<Tai>> {
        self.0.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sessions with an activation at this time, by name, if it is time or if there are none: then it is not waited for
    /// any more.
    fn due(&self, at: Tai, is_time: bool) -> Option<Vec<SessionName>> {
        let mut times = self.times();
        let states = self.states();
        let is_of_time = |state: &ConnectionState| state.scheduled.is_some_and(|it| it.at == at);
        let names = states
            .iter()
            .filter(|(_, it)| it.state.as_ref().is_some_and(is_of_time));
        let mut names: Vec<_> = names.map(|(name, _)| name.clone()).collect();
        drop(states);
        if !is_time && !names.is_empty() {
            return None;
        }
        times.remove(&at);
        names.sort();
        Some(names)
    }

    /// Activates at this time what is scheduled for it, of sessions in the order of their names. It begins before, and has
    /// the sessions' turns until it is done. A daemon that restarts meanwhile is asked again.
    async fn activate_at(&self, names: Vec<SessionName>, at: Tai) {
        let mut turns = Vec::new();
        for name in &names {
            turns.push(self.turn(name).await);
        }
        let mut due: Vec<_> = names
            .into_iter()
            .filter_map(|it| self.begin(it, at))
            .collect();
        while !due.is_empty() {
            let looks = join_all(due.iter().map(|(name, ..)| self.reach(name))).await;
            let (mut ready, mut failed) = (Vec::new(), Vec::new());
            for (begun, look) in due.into_iter().zip(looks) {
                match look {
                    Err(error) => failed.push((begun, error)),
                    Ok(look) => ready.push(ReadyActivation {
                        look: Arc::new(look),
                        staged: begun.1,
                        scheduled: Some(begun.2),
                        was_scheduled: true,
                        _turn: None,
                    }),
                }
            }
            let done = self.activate(&ready, Some(at)).await;
            for (ready, done) in ready.into_iter().zip(done) {
                if let (Some(scheduled), Err(error)) = (ready.scheduled, done) {
                    let name = ready.look.view.name.clone();
                    failed.push(((name, ready.staged, scheduled), error));
                }
            }
            let is_over = at.plus(PATIENCE).is_none_or(|it| it <= self.now());
            due = Vec::new();
            for (begun, error) in failed {
                if error.is_lost() && !is_over {
                    due.push(begun);
                    continue;
                }
                tracing::warn!("{}: scheduled activation: {error}", begun.0);
                self.forget_scheduled(&begun.0).await;
            }
            if !due.is_empty() {
                sleep(TRY_AGAIN).await;
            }
        }
    }

    /// Begins what is scheduled of a session for this time, unless it was cancelled.
    fn begin(&self, name: SessionName, at: Tai) -> Option<(SessionName, Staged, Scheduled)> {
        let mut states = self.states();
        let (staged, scheduled) = states.get_mut(&name)?.state.as_mut()?.begin(at)?;
        drop(states);
        Some((name, staged, scheduled))
    }

    /// The session that an activation was scheduled of, as the daemon has it.
    async fn reach(&self, name: &SessionName) -> Result<Look, Refusal> {
        let mut look = self.look(name).await?;
        match look.away.take() {
            Some(refusal) => Err(refusal),
            None if self
                .states()
                .get(name)
                .is_some_and(|it| it.is_of(&look.view)) =>
            {
                Ok(look)
            }
            None => Err(Refusal::NotFound(format!("session {name} any more"))),
        }
    }
}
