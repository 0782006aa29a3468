//! The connections of senders and receivers of MXL (BCP-007-03).
//!
//! A session that `onair-mxl` writes as a flow is a sender, one that it fills with a flow a receiver. What is active is what
//! `onair-mxl` says; an activation is one order to it. Requests about one session
//! take turns, as those of RTP do.

mod params;
mod state;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use onair_api::SessionName;
use onair_control::Facts;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::Uuid;

use self::params::{CarriedFlow, Patch, Staged};
use self::state::{Active, Kept, MxlConnectionState, shown};
use super::Subscriptions;
use super::activation::{ActivationShown, Scheduled, Wanted};
use super::connections::scheduled::{LOOK_AGAIN, PATIENCE, TRY_AGAIN};
use super::index::Index;
use super::refusal::Refusal;
use super::side::Side;
use crate::identity::Ids;
use crate::mxl::{Carried, MxlClient, Order, OrderError, Way, on_mxl};
use crate::tai::Tai;

impl From<Way> for Side {
    fn from(way: Way) -> Self {
        match way {
            Way::In => Self::Sender,
            Way::Out => Self::Receiver,
        }
    }
}

impl From<OrderError> for Refusal {
    fn from(error: OrderError) -> Self {
        match error {
            OrderError::Away(..) => Self::Away(error.to_string()),
            OrderError::Refused(field, problem) => match field.as_str() {
                "flow" => Self::body("transport_params[0].mxl_flow_id", problem),
                _ => Self::body(field, problem),
            },
        }
    }
}

/// Sessions that `onair-mxl` carries, and their connections by controllers.
#[derive(Clone, Debug, Default)]
pub struct OnMxl {
    /// The sessions.
    pub carried: Arc<Carried>,
    /// The subscription of each of its sessions.
    pub subscriptions: Subscriptions,
}

/// The connections of all sessions that `onair-mxl` carries.
#[derive(Clone, Debug)]
pub struct MxlConnections(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    client: MxlClient,
    ids: Ids,
    facts: watch::Receiver<Option<Arc<Facts>>>,
    carried: watch::Receiver<Arc<Carried>>,
    states: Mutex<HashMap<SessionName, MxlConnectionState>>,
    changes: watch::Sender<u64>,
    places: Index<(u64, Arc<Carried>), (Side, SessionName, CarriedFlow)>,
}

impl MxlConnections {
    /// Those of what `client` carries of the sessions in `facts`.
    #[must_use]
    pub fn new(client: MxlClient, ids: Ids, facts: watch::Receiver<Option<Arc<Facts>>>) -> Self {
        let carried = client.follow();
        Self(Arc::new(Shared {
            client,
            ids,
            facts,
            carried,
            states: Mutex::default(),
            changes: watch::Sender::new(0),
            places: Index::default(),
        }))
    }

    /// The sessions and their connections: the newest. Ends with its last reader.
    #[must_use]
    pub fn follow(&self) -> watch::Receiver<Arc<OnMxl>> {
        let (sender, receiver) = watch::channel(Arc::default());
        let (own, mut carried) = (self.clone(), self.0.carried.clone());
        let mut changes = self.0.changes.subscribe();
        tokio::spawn(async move {
            loop {
                let now = carried.borrow_and_update().clone();
                sender.send_replace(Arc::new(own.on_mxl(now)));
                let more = tokio::select! {
                    it = carried.changed() => it,
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

    fn on_mxl(&self, carried: Arc<Carried>) -> OnMxl {
        self.states()
            .retain(|name, _| carried.sessions.iter().any(|it| it.session == *name));
        let subscriptions = carried.sessions.iter().map(|it| {
            let place = CarriedFlow::of(&carried, it);
            let shown = self.with(&it.session, |state| state.subscription(&place));
            (it.session.clone(), shown)
        });
        let subscriptions = subscriptions.collect();
        OnMxl {
            carried,
            subscriptions,
        }
    }

    fn states(&self) -> MutexGuard<'_, HashMap<SessionName, MxlConnectionState>> {
        self.0.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does `what` with the connection of a session: at first as `onair-mxl` has kept it.
    fn with<T>(&self, name: &SessionName, what: impl FnOnce(&mut MxlConnectionState) -> T) -> T {
        let carried = self.0.carried.borrow().clone();
        let mut states = self.states();
        let state = states.entry(name.clone()).or_insert_with(|| {
            let carrier = carried.sessions.iter().find(|it| it.session == *name);
            let Some(carrier) = carrier else {
                return MxlConnectionState::default();
            };
            let state = MxlConnectionState::of(carrier, CarriedFlow::of(&carried, carrier));
            if let Some(scheduled) = state.scheduled {
                self.schedule(carrier.direction.into(), name.clone(), scheduled);
            }
            state
        });
        what(state)
    }

    /// Has `onair-mxl` keep the part of the session's connection that outlasts this process.
    async fn keep(&self, name: &SessionName, place: &CarriedFlow) {
        let order = Order {
            session: name.clone(),
            active: None,
            flow: None,
            connected: self.with(name, |state| state.kept(place)),
        };
        if let Err(error) = self.0.client.order(&order).await {
            tracing::warn!("{name} on MXL: a restart will not know what is scheduled: {error}");
        }
    }

    fn now(&self) -> Tai {
        Tai::now(self.0.facts.borrow().as_deref())
    }

    /// The sessions that are resources, by their identities.
    fn all(&self) -> Arc<HashMap<String, (Side, SessionName, CarriedFlow)>> {
        let (facts, carried) = (self.0.facts.borrow(), self.0.carried.borrow());
        let number = facts.as_ref().map_or(0, |it| it.number);
        self.0.places.of((number, Arc::clone(&carried)), || {
            on_mxl(facts.as_deref(), &carried).map(|(it, _)| {
                let side = Side::from(it.direction);
                let id = side.mxl_id(&self.0.ids, &it.session).to_string();
                (
                    id,
                    (side, it.session.clone(), CarriedFlow::of(&carried, it)),
                )
            })
        })
    }

    /// The identities of a side's resources.
    pub(super) fn ids(&self, side: Side) -> Vec<Uuid> {
        let all = self.all();
        let own = all.values().filter(|it| it.0 == side);
        own.map(|(_, name, _)| side.mxl_id(&self.0.ids, name))
            .collect()
    }

    /// Whether one of them is this.
    pub(super) fn has(&self, side: Side, id: &str) -> bool {
        self.find(side, id).is_ok()
    }

    fn find(&self, side: Side, id: &str) -> Result<(SessionName, CarriedFlow), Refusal> {
        let all = self.all();
        let found = all.get(id).filter(|it| it.0 == side);
        let found = found.map(|(_, name, place)| (name.clone(), *place));
        found.ok_or_else(|| Refusal::NotFound(format!("{side} {id}")))
    }

    /// A document of a resource, by its name; `None`: it has none of this name.
    pub(super) fn show(&self, side: Side, id: &str, what: &str) -> Result<Option<Value>, Refusal> {
        let (name, place) = self.find(side, id)?;
        Ok(self.with(&name, |state| match what {
            "constraints" => Some(place.constraints()),
            "staged" => Some(state.show_staged(&place)),
            "active" => Some(state.show_active(&place)),
            "transporttype" => Some(json!("urn:x-nmos:transport:mxl")),
            _ => None,
        }))
    }

    /// Changes what is staged, and activates it if it says so. Whether that is scheduled, and the document.
    pub(super) async fn patch(
        &self,
        side: Side,
        id: &str,
        patch: Patch,
    ) -> Result<(bool, Value), Refusal> {
        let now = self.now();
        let (name, _) = self.find(side, id)?;
        let turn = self.with(&name, |state| Arc::clone(&state.turn));
        let _turn = turn.lock().await;
        let (_, place) = self.find(side, id)?;
        let wanted = patch.activation.as_ref().map(|it| it.wanted(now));
        let wanted = wanted.transpose()?;
        let (staged, was_scheduled) = self.with(&name, |state| {
            // The lock ends by an activation whose mode is null, which may change more.
            if state.scheduled.is_some() && wanted != Some(Wanted::Nothing) {
                return Err(Refusal::Locked);
            }
            let staged = state.staged(&place).patched(&patch, &place)?;
            if let Some(Wanted::Now | Wanted::At(_)) = wanted {
                staged.flow(&place)?;
            }
            state.staged = Some(staged.clone());
            let was_scheduled = state.scheduled.take().is_some();
            if let Some(Wanted::At(scheduled)) = wanted {
                state.scheduled = Some(scheduled);
            }
            Ok((staged, was_scheduled))
        })?;
        let is_scheduled = matches!(wanted, Some(Wanted::At(_)));
        if is_scheduled || was_scheduled {
            self.keep(&name, &place).await;
        }
        let activation = match wanted {
            None | Some(Wanted::Nothing) => ActivationShown::default(),
            Some(Wanted::Now) => self.activate(side, &name, &staged, None).await?,
            Some(Wanted::At(scheduled)) => {
                self.schedule(side, name, scheduled);
                ActivationShown::scheduled(&scheduled, scheduled.at)
            }
        };
        Ok((is_scheduled, shown(&place, &staged, &activation)))
    }

    /// Has `onair-mxl` carry it out. The caller holds the session's lock.
    async fn activate(
        &self,
        side: Side,
        name: &SessionName,
        staged: &Staged,
        scheduled: Option<Scheduled>,
    ) -> Result<ActivationShown, Refusal> {
        let (_, place) = self.find(side, &side.mxl_id(&self.0.ids, name).to_string())?;
        let flow = staged.flow(&place)?;
        let made = CarriedFlow {
            flow,
            active: staged.enable,
            ..place
        };
        let now = self.now();
        let activation = match &scheduled {
            None => ActivationShown::immediate(now),
            Some(scheduled) => ActivationShown::scheduled(scheduled, now),
        };
        let kept = Kept {
            active: Some((staged.clone(), activation.clone())),
            scheduled: None,
        };
        let order = Order {
            session: name.clone(),
            active: Some(made.active),
            flow,
            connected: kept.text(),
        };
        self.0.client.order(&order).await?;
        let active = Active {
            staged: staged.clone(),
            activation: activation.clone(),
            made,
        };
        self.with(name, |state| {
            (state.staged, state.scheduled, state.active) = (None, None, Some(active));
            state.activations += 1;
        });
        self.0.changes.send_modify(|it| *it += 1);
        Ok(activation)
    }

    /// Activates what is staged at its time, unless it is cancelled. An `onair-mxl` that restarts meanwhile is asked again.
    fn schedule(&self, side: Side, name: SessionName, scheduled: Scheduled) {
        let own = self.clone();
        tokio::spawn(async move {
            loop {
                let left = scheduled.at.from(own.now());
                if left.is_zero() {
                    break;
                }
                sleep(left.min(LOOK_AGAIN)).await;
            }
            let mut failed = "its time was while onair-nmos was away".to_owned();
            loop {
                let is_over = scheduled.at.plus(PATIENCE).is_none_or(|it| it <= own.now());
                let turn = own.with(&name, |state| Arc::clone(&state.turn));
                let turn = turn.lock().await;
                let staged = own.with(&name, |state| {
                    let of_time = state.scheduled == Some(scheduled);
                    state.staged.clone().filter(|_| of_time)
                });
                let Some(staged) = staged else { return };
                if !is_over {
                    let done = own.activate(side, &name, &staged, Some(scheduled));
                    let Err(error) = done.await else { return };
                    // A daemon or an onair-mxl of which nothing is known yet.
                    let is_lost = error.is_lost() || matches!(error, Refusal::NotFound(_));
                    failed = error.to_string();
                    if is_lost {
                        drop(turn);
                        sleep(TRY_AGAIN).await;
                        continue;
                    }
                }
                tracing::warn!("{name} on MXL: scheduled activation: {failed}");
                let carried = own.0.carried.borrow().clone();
                own.with(&name, |state| state.scheduled = None);
                let mut all = carried.sessions.iter().filter(|it| it.session == name);
                if let Some(it) = all.next() {
                    own.keep(&name, &CarriedFlow::of(&carried, it)).await;
                }
                return;
            }
        });
    }
}
