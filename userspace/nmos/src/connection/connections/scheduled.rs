//! Activations at a time.

use futures_util::future::join_all;
use onair_api::SessionName;
use tokio::sync::OwnedMutexGuard;

use super::{Connections, Ready};
use crate::connection::activation::{ActivationShown, Scheduled};
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
                let names = own.0.times.wait(scheduled.at, || own.now()).await;
                own.activate_at(names, scheduled.at).await;
            });
        }
        ActivationShown::scheduled(&scheduled, scheduled.at)
    }

    /// Activates what is scheduled for this time, of sessions in the order of their names.
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
        let names: Vec<_> = ready.iter().map(|it| it.look.view.name.clone()).collect();
        for (name, done) in names.iter().zip(self.activate(ready).await) {
            if let Err(error) = done {
                tracing::warn!("{name}: scheduled activation: {error}");
            }
        }
    }

    /// What is scheduled of a session for this time, unless it was cancelled. The lock ends here, whatever the daemon
    /// says.
    async fn due(
        &self,
        name: &SessionName,
        at: Tai,
        turn: OwnedMutexGuard<()>,
    ) -> Result<Option<Ready>, Refusal> {
        let due = self.lots().get_mut(name).and_then(|it| {
            let lot = it.lot.as_mut()?;
            let scheduled = lot.scheduled.take_if(|it| it.at == at)?;
            Some((lot.session, lot.staged.clone()?, scheduled))
        });
        let Some((session, staged, scheduled)) = due else {
            return Ok(None);
        };
        let mut look = self.look(name).await?;
        if let Some(refusal) = look.away.take() {
            return Err(refusal);
        }
        if look.view.id != session {
            return Err(Refusal::NotFound(format!("session {session} any more")));
        }
        Ok(Some(Ready {
            look,
            staged,
            scheduled: Some(scheduled),
            _turn: turn,
        }))
    }
}
