//! The connections of all sessions.
//!
//! Of each session a [`ConnectionState`] is what controllers have asked for. What *is* comes from the daemon at each look, so that a
//! session that an operator changes is shown as it is. Requests about one session take turns (its `turn`): a second PATCH
//! waits until the first is carried out, and reads see what was `before` until it is. Requests about several sessions go beside
//! each other; those of one bulk request, or of one time, are activated together ([`carry_out`]).

mod look;
pub(super) mod scheduled;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use onair_api::operations::{DescribeSession, RetargetSession, Sent};
use onair_api::{Direction, SessionName, SessionRef, SessionView};
use onair_control::Client;
use onair_http::give_way;
use serde_json::{Value, json};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::Instant;
use uuid::Uuid;

use self::look::{Look, Silence};
use super::activation::{ActivationShown, Scheduled, Wanted};
use super::carry::{Moment, carry_out};
use super::index::Index;
use super::leg::{Interface, LegPatch};
use super::patch::Patch;
use super::refusal::Refusal;
use super::side::Side;
use super::staged::Staged;
use super::state::{Active, ConnectionState, document};
use super::{Subscription, Subscriptions};
use crate::identity::Ids;
use crate::tai::Tai;
use onair_control::Facts;

/// Time that a request to the daemon may take on a busy machine.
const ONE_REQUEST: Duration = Duration::from_millis(10);
/// How long before its time a scheduled activation begins to be carried out.
const LEAD: Duration = Duration::from_millis(700);

/// How far ahead of its time an activation of so many sessions is carried out, so that the daemon knows all of them then.
fn soon(sessions: usize) -> Duration {
    let sessions = u32::try_from(sessions).unwrap_or(u32::MAX);
    ONE_REQUEST
        .saturating_mul(sessions.saturating_add(5))
        .min(LEAD)
}

/// The connections of all sessions.
#[derive(Clone, Debug)]
pub struct Connections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: Client,
    ids: Ids,
    facts: watch::Receiver<Option<Arc<Facts>>>,
    states: Mutex<HashMap<SessionName, Entry>>,
    /// Times for which something was scheduled and that are waited for.
    times: Mutex<BTreeSet<Tai>>,
    changes: watch::Sender<u64>,
    silence: Silence,
    names: Index<u64, (Side, SessionName)>,
}

/// A connection, once a look has made it, and whose turn it is.
#[derive(Debug, Default)]
struct Entry {
    state: Option<ConnectionState>,
    turn: Arc<tokio::sync::Mutex<()>>,
    activations: Activations,
}

/// The activations of a session.
#[derive(Debug, Default)]
struct Activations {
    /// The session before the one that is under way.
    before: Weak<Look>,
    /// How many are over.
    over: u64,
}

impl Entry {
    fn is_of(&self, view: &SessionView) -> bool {
        self.state.as_ref().is_none_or(|it| it.is_of(view))
    }
}

/// The sessions of packets of a side.
fn of_side(facts: Option<&Facts>, side: Side) -> impl Iterator<Item = &SessionView> {
    let sessions = facts.map(|it| it.sessions.as_slice()).unwrap_or_default();
    sessions
        .iter()
        .filter(move |it| it.direction != Direction::Local && Side::of(it.direction) == side)
}

/// Parameters that may become active.
#[derive(Debug)]
struct ReadyActivation {
    look: Arc<Look>,
    staged: Staged,
    scheduled: Option<Scheduled>,
    /// It was scheduled before the request, and is not any more.
    was_scheduled: bool,
    /// The session's, unless the caller has it.
    _turn: Option<OwnedMutexGuard<()>>,
}

impl Connections {
    /// Those of the sessions in `facts`, carried out by `client`.
    #[must_use]
    pub fn new(client: Client, ids: Ids, facts: watch::Receiver<Option<Arc<Facts>>>) -> Self {
        Self(Arc::new(Shared {
            client,
            ids,
            facts,
            states: Mutex::default(),
            times: Mutex::default(),
            changes: watch::Sender::new(0),
            silence: Silence::default(),
            names: Index::default(),
        }))
    }

    /// The connection of each session: the newest. Ends with its last reader.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Subscriptions> {
        let (sender, receiver) = watch::channel(Subscriptions::new());
        let (own, mut facts) = (self.clone(), self.0.facts.clone());
        let mut changes = self.0.changes.subscribe();
        tokio::spawn(async move {
            loop {
                let now = facts.borrow_and_update().clone();
                if let Some(facts) = now.as_deref() {
                    sender.send_replace(own.subscriptions(facts));
                }
                let more = tokio::select! {
                    it = facts.changed() => it,
                    it = changes.changed() => it,
                    () = sender.closed() => break,
                };
                if more.is_err() {
                    break;
                }
            }
        });
        receiver
    }

    fn subscriptions(&self, facts: &Facts) -> Subscriptions {
        let kept = { facts.sessions.iter() }.filter(|it| it.connected.is_some());
        let waits = kept.filter_map(|view| {
            let scheduled = self.with(view, |state| state.scheduled.filter(|_| !state.is_begun));
            Some((view.name.clone(), scheduled?.at))
        });
        for (name, at) in waits.collect::<Vec<_>>() {
            self.wait_again(&name, at);
        }
        let mut states = self.states();
        states.retain(|name, entry| {
            let mut sessions = facts.sessions.iter();
            sessions.any(|it| it.name == *name && entry.is_of(it))
        });
        let sessions = facts.sessions.iter().map(|view| {
            let state = states.get(&view.name).and_then(|it| it.state.as_ref());
            let subscription = match state {
                Some(state) => state.subscription(view, facts.number),
                None => Subscription::of(view),
            };
            (view.name.clone(), subscription)
        });
        sessions.collect()
    }

    fn states(&self) -> MutexGuard<'_, HashMap<SessionName, Entry>> {
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn facts(&self) -> Option<Arc<Facts>> {
        self.0.facts.borrow().clone()
    }

    pub(super) fn now(&self) -> Tai {
        Tai::now(self.facts().as_deref())
    }

    /// The identities of a side's resources.
    pub(super) fn ids(&self, side: Side) -> Vec<Uuid> {
        let facts = self.facts();
        let own = of_side(facts.as_deref(), side);
        own.map(|it| side.id(&self.0.ids, &it.name)).collect()
    }

    fn name(&self, side: Side, id: &str) -> Result<SessionName, Refusal> {
        let facts = self.facts();
        let names = self
            .0
            .names
            .of(facts.as_ref().map_or(0, |it| it.number), || {
                let all = [Side::Sender, Side::Receiver].into_iter();
                let all =
                    all.flat_map(|side| of_side(facts.as_deref(), side).map(move |it| (side, it)));
                all.map(|(side, it)| {
                    let id = side.id(&self.0.ids, &it.name).to_string();
                    (id, (side, it.name.clone()))
                })
            });
        let found = names.get(id).filter(|it| it.0 == side);
        let found = found.map(|(_, name)| name.clone());
        found.ok_or_else(|| Refusal::NotFound(format!("{side} {id}")))
    }

    /// Does `what` with the connection of a session.
    fn with<T>(&self, view: &SessionView, what: impl FnOnce(&mut ConnectionState) -> T) -> T {
        self.with_activations(view, |state, _| what(state))
    }

    /// As [`Self::with`], with the session's activations.
    fn with_activations<T>(
        &self,
        view: &SessionView,
        what: impl FnOnce(&mut ConnectionState, &mut Activations) -> T,
    ) -> T {
        let number = self.facts().map_or(0, |it| it.number);
        let mut states = self.states();
        let entry = states.entry(view.name.clone()).or_default();
        if !entry.is_of(view) {
            entry.state = None;
        }
        let state = entry
            .state
            .get_or_insert_with(|| ConnectionState::of(view, number));
        state.session = view.id;
        what(state, &mut entry.activations)
    }

    fn activations_over(&self, name: &SessionName) -> u64 {
        let states = self.states();
        states.get(name).map_or(0, |it| it.activations.over)
    }

    /// The part of a session and its connection that `shown` selects.
    pub(super) async fn show(
        &self,
        side: Side,
        id: &str,
        shown: impl Fn(&ConnectionState, &SessionView, &[Interface]) -> Value,
    ) -> Result<Value, Refusal> {
        let name = self.name(side, id)?;
        loop {
            let over = self.activations_over(&name);
            let look = self.look(&name).await?;
            let value = self.with_activations(&look.view, |state, activations| {
                let before = activations.before.upgrade();
                let look = before.as_deref().unwrap_or(&look);
                // What an activation that ended meanwhile has changed is not in an older look.
                let is_current = activations.over == over;
                is_current.then(|| shown(state, &look.view, &look.interfaces))
            });
            if let Some(value) = value {
                return Ok(value);
            }
        }
    }

    /// The description of a sender.
    pub(super) async fn file(&self, id: &str) -> Result<String, Refusal> {
        let name = SessionRef::Name(self.name(Side::Sender, id)?);
        let text = self.0.client.call::<DescribeSession>(&name, &()).await?;
        Ok(text.read()?)
    }

    /// Whether there is such a resource.
    pub(super) fn has(&self, side: Side, id: &str) -> Result<(), Refusal> {
        self.name(side, id).map(drop)
    }

    /// Changes what is staged, and activates it if it says so. Whether that is scheduled, and the document.
    pub(super) async fn patch(
        &self,
        side: Side,
        id: &str,
        patch: Patch<LegPatch>,
    ) -> Result<(bool, Value), Refusal> {
        let name = self.name(side, id)?;
        let (ready, asked) = self.stage(&name, (patch, self.now())).await?;
        let staged = ready.staged.clone();
        let (is_scheduled, shown) = match asked {
            None | Some(Wanted::Nothing) => (false, ActivationShown::default()),
            Some(Wanted::Now) => {
                let ready = std::slice::from_ref(&ready);
                (false, self.activate(ready, None).await.remove(0)?)
            }
            Some(Wanted::At(scheduled)) => (true, self.schedule(&ready, scheduled)),
        };
        if ready.was_scheduled || is_scheduled {
            self.keep(&ready.look.view).await;
        }
        Ok((is_scheduled, document(side, &staged, &shown)))
    }

    /// Patches several resources: of each its id, and what a PATCH of it would answer. Each is a turn of its own, as a text
    /// until then.
    pub(super) async fn bulk(
        &self,
        side: Side,
        all: Vec<(String, String)>,
    ) -> Vec<(String, Result<bool, Refusal>)> {
        let mut answers: Vec<_> = all.iter().map(|(id, _)| (id.clone(), Ok(false))).collect();
        let (mut order, mut ready, mut changed) = (Vec::new(), Vec::new(), Vec::new());
        for (at, (id, body)) in all.into_iter().enumerate() {
            match self.name(side, &id) {
                Err(refusal) => answers[at].1 = Err(refusal),
                Ok(name) => order.push((name, at, body)),
            }
        }
        // All requests take several locks in this order, so that no two wait for each other.
        order.sort_by(|a, b| (&a.0, a.1).cmp(&(&b.0, b.1)));
        // Times from now are one time.
        let (mut last, now) = (None, self.now());
        for (name, at, body) in order {
            if last.as_ref() == Some(&name) {
                answers[at].1 = Err(Refusal::body("id", "is given twice"));
                continue;
            }
            give_way().await;
            let staged = match Patch::read(side, &body) {
                Ok(patch) => self.stage(&name, (patch, now)).await,
                Err(refusal) => Err(refusal),
            };
            last = Some(name);
            match staged {
                Err(refusal) => answers[at].1 = Err(refusal),
                Ok((staged, Some(Wanted::Now))) => ready.push((at, staged)),
                Ok((staged, Some(Wanted::At(scheduled)))) => {
                    self.schedule(&staged, scheduled);
                    changed.push(staged.look.view.clone());
                    answers[at].1 = Ok(true);
                }
                Ok((staged, None | Some(Wanted::Nothing))) => {
                    changed.extend(staged.was_scheduled.then(|| staged.look.view.clone()));
                }
            }
        }
        join_all(changed.iter().map(|it| self.keep(it))).await;
        let (places, ready): (Vec<usize>, Vec<_>) = ready.into_iter().unzip();
        // All of them with one unit.
        let at = (ready.len() > 1).then(|| soon(ready.len()));
        let at = at.and_then(|it| self.now().plus(Tai::at(it)));
        let done = self.activate(&ready, at).await;
        for (place, done) in places.into_iter().zip(done) {
            answers[place].1 = done.map(|_| false);
        }
        answers
    }

    /// Changes the staged parameters, by a request of this time. With the answer the caller holds the session's lock.
    async fn stage(
        &self,
        name: &SessionName,
        (patch, now): (Patch<LegPatch>, Tai),
    ) -> Result<(ReadyActivation, Option<Wanted>), Refusal> {
        self.check_not_begun(name)?;
        let turn = self.turn(name).await;
        let mut look = self.look(name).await?;
        let wanted = patch.activation.as_ref().map(|it| it.wanted(now));
        let wanted = wanted.transpose()?;
        if let (Some(Wanted::Now), Some(refusal)) = (wanted, look.away.take()) {
            return Err(refusal);
        }
        let (view, interfaces) = (&look.view, &look.interfaces[..]);
        let staged = self.with(view, |state| {
            // The lock ends by an activation whose mode is null, which may change more.
            if state.scheduled.is_some() && wanted != Some(Wanted::Nothing) {
                return Err(Refusal::Locked);
            }
            let staged = state.staged(view, interfaces);
            let staged = staged.patched(&patch, view, interfaces)?;
            let was_scheduled = state.scheduled.take().is_some();
            state.staged = Some(staged.clone());
            Ok((staged, was_scheduled))
        })?;
        let (staged, was_scheduled) = staged;
        let scheduled = None;
        let ready = ReadyActivation {
            look: Arc::new(look),
            staged,
            scheduled,
            was_scheduled,
            _turn: Some(turn),
        };
        Ok((ready, wanted))
    }

    /// A scheduled activation that is carried out has the turn until its time.
    fn check_not_begun(&self, name: &SessionName) -> Result<(), Refusal> {
        let states = self.states();
        let state = states.get(name).and_then(|it| it.state.as_ref());
        match state.is_some_and(|it| it.is_begun) {
            true => Err(Refusal::Begun),
            false => Ok(()),
        }
    }

    async fn turn(&self, name: &SessionName) -> OwnedMutexGuard<()> {
        let turn = Arc::clone(&self.states().entry(name.clone()).or_default().turn);
        turn.lock_owned().await
    }

    /// Has the daemon make all of them active, at this time. What became of each, in their order.
    async fn activate(
        &self,
        all: &[ReadyActivation],
        at: Option<Tai>,
    ) -> Vec<Result<ActivationShown, Refusal>> {
        for ready in all {
            let mut states = self.states();
            let entry = states.entry(ready.look.view.name.clone()).or_default();
            entry.activations.before = Arc::downgrade(&ready.look);
        }
        let plans = all.iter().map(|it| {
            let plan = it.staged.plan(&it.look.view, &it.look.interfaces);
            (&it.look.view, plan)
        });
        let at = at.map(|it| Moment {
            tai_ns: it.daemon_ns(self.facts().as_deref()),
            due: Instant::now() + it.from(self.now()),
        });
        let done = carry_out(&self.0.client, plans, at).await;
        let done = all.iter().zip(done);
        let done = done.map(async |(ready, done)| {
            let view = done?;
            let shown = self.activated(ready, &view);
            self.keep(&view).await;
            Ok(shown)
        });
        join_all(done).await
    }

    /// Has the daemon keep with the session the part of its connection that outlasts this process.
    async fn keep(&self, view: &SessionView) {
        let kept = self.with(view, |state| state.kept());
        let body = Sent::Body(json!({"connected": kept}));
        let target = view.id.into();
        let kept = self
            .0
            .client
            .send::<RetargetSession>(&target, body, Duration::ZERO);
        if let Err(error) = kept.await {
            tracing::warn!(
                "{}: a restart will not know what is connected: {error}",
                view.name
            );
        }
    }

    /// Makes the daemon's result of an activation the session's.
    fn activated(&self, ready: &ReadyActivation, view: &SessionView) -> ActivationShown {
        let now = self.now();
        let shown = match &ready.scheduled {
            None => ActivationShown::immediate(now),
            Some(scheduled) => ActivationShown::scheduled(scheduled, now),
        };
        let before = self.facts().map_or(0, |it| it.number);
        let active = Active::new(ready.staged.clone(), shown.clone(), (view, before));
        self.with_activations(view, |state, activations| {
            state.activate(active);
            activations.before = Weak::new();
            activations.over += 1;
        });
        self.0.changes.send_modify(|it| *it += 1);
        shown
    }
}
