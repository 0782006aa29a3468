//! A look at a session.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use onair_api::operations::ShowSession;
use onair_api::{SessionName, SessionRef, SessionView};

use super::Connections;
use crate::connection::leg::{Interface, interfaces};
use crate::connection::refusal::Refusal;

/// After a look without an answer, others get the last answer, for so long.
const QUIET: Duration = Duration::from_secs(2);

/// A session as it is now.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) view: SessionView,
    /// No daemon answers: this is what the last one said.
    pub(super) away: Option<Refusal>,
    pub(super) interfaces: Vec<Interface>,
}

/// When a look was not answered, and how that failed.
#[derive(Debug, Default)]
pub(super) struct Silence(Mutex<Option<(Instant, Refusal)>>);

impl Silence {
    fn last(&self) -> MutexGuard<'_, Option<(Instant, Refusal)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self, refusal: &Refusal) {
        *self.last() = Some((Instant::now(), refusal.clone()));
    }

    /// How the last look failed, if that was just now.
    fn now(&self) -> Option<Refusal> {
        let last = self.last();
        let recent = last.as_ref().filter(|(at, _)| at.elapsed() < QUIET);
        recent.map(|(_, refusal)| refusal.clone())
    }
}

impl Connections {
    /// The session as the daemon has it; while none answers, as the last one had it.
    pub(super) async fn look(&self, name: &SessionName) -> Result<Look, Refusal> {
        let facts = self.facts();
        let mut away = self.0.silence.now();
        let mut view = None;
        if away.is_none() {
            let target = SessionRef::Name(name.clone());
            match self.0.client.call::<ShowSession>(&target, &()).await {
                Ok(answer) => view = Some(answer.read()?),
                Err(error) if error.is_unreachable() => {
                    let refusal = Refusal::from(error);
                    self.0.silence.begin(&refusal);
                    away = Some(refusal);
                }
                Err(error) => return Err(error.into()),
            }
        }
        let mut last = facts.iter().flat_map(|it| &it.sessions);
        let view = view.or_else(|| last.find(|it| it.name == *name).cloned());
        let view = view.ok_or_else(|| match &away {
            Some(refusal) => refusal.clone(),
            None => Refusal::NotFound(format!("session {name}")),
        })?;
        let interfaces = facts.map_or_else(Vec::new, |it| interfaces(&it, &view));
        Ok(Look {
            view,
            away,
            interfaces,
        })
    }
}
