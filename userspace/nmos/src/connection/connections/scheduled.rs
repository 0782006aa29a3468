//! Activations at a time.

use futures_util::future::join_all;
use onair_api::SessionName;
use tokio::sync::OwnedMutexGuard;

use super::{Connections, Entry, LEAD, Ready};
use crate::connection::activation::{ActivationShown, Scheduled};
use crate::connection::lot::Lot;
use crate::connection::refusal::Refusal;
use crate::tai::Tai;

impl Connections {
    /// Locks the resource until the time. The first one of a time waits for all of it.
    pub(super) fn schedule(&self, ready: &Ready, scheduled: Scheduled) -> ActivationShown {
        let view = &ready.look.view;
        self.with(view, |lot| lot.scheduled = Some(scheduled));
        if self.0.times.add(view.name.clone(), scheduled.at) {
            let own = self.clone();
            tokio::spawn(async move {
                let times = &own.0.times;
                let names = times.wait(scheduled.at, LEAD, || own.now()).await;
                own.activate_at(names, scheduled.at).await;
            });
        }
        ActivationShown::scheduled(&scheduled, scheduled.at)
    }

    /// Activates at this time what is scheduled for it, of sessions in the order of their names. It begins before, and has
    /// the sessions' turns until it is done.
    async fn activate_at(&self, names: Vec<SessionName>, at: Tai) {
        let mut turns = Vec::new();
        for name in names {
            let turn = self.turn(&name).await;
            turns.push((name, turn));
        }
        let due = turns.into_iter();
        let due = due.map(async |(name, turn)| {
            let due = self.due(&name, at, turn).await;
            due.unwrap_or_else(|error| {
                tracing::warn!("{name}: scheduled activation: {error}");
                None
            })
        });
        let ready: Vec<_> = join_all(due).await.into_iter().flatten().collect();
        let views: Vec<_> = ready.iter().map(|it| it.look.view.clone()).collect();
        for (view, done) in views.iter().zip(self.activate(ready, Some(at)).await) {
            self.with(view, Lot::unlock);
            if let Err(error) = done {
                tracing::warn!("{}: scheduled activation: {error}", view.name);
            }
        }
    }

    /// What is scheduled of a session for this time, unless it was cancelled.
    async fn due(
        &self,
        name: &SessionName,
        at: Tai,
        turn: OwnedMutexGuard<()>,
    ) -> Result<Option<Ready>, Refusal> {
        let of = |entry: &mut Entry| entry.lot.as_mut()?.begin(at);
        let due = self.lots().get_mut(name).and_then(of);
        let Some((session, staged, scheduled)) = due else {
            return Ok(None);
        };
        let look = self
            .look(name)
            .await
            .and_then(|mut look| match look.away.take() {
                Some(refusal) => Err(refusal),
                None if look.view.id != session => {
                    Err(Refusal::NotFound(format!("session {session} any more")))
                }
                None => Ok(look),
            });
        let look = look.inspect_err(|_| {
            let mut lots = self.lots();
            let lot = lots.get_mut(name).and_then(|it| it.lot.as_mut());
            lot.into_iter().for_each(Lot::unlock);
        })?;
        Ok(Some(Ready {
            look,
            staged,
            scheduled: Some(scheduled),
            _turn: turn,
        }))
    }
}
