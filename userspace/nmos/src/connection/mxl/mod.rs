//! The connections of senders and receivers of MXL (BCP-007-03).
//!
//! A session that `onair-mxl` writes as a flow is a sender, one that it fills with a flow a receiver. What is active is what
//! `onair-mxl` says; an activation is one order to it. Requests about one session
//! take turns, as those of RTP do.

mod params;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onair_api::SessionName;
use onair_control::Facts;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::sleep;
use uuid::Uuid;

use self::params::{Patch, Place, Staged};
use super::activation::{ActivationShown, Scheduled, Wanted};
use super::index::Index;
use super::lot::{Parts, document};
use super::patch::TransportFile;
use super::refusal::Refusal;
use super::side::Side;
use super::{Subscription, Subscriptions};
use crate::identity::Ids;
use crate::mxl::{Carried, MxlClient, Order, OrderError, Way, on_mxl};
use crate::tai::Tai;

/// Clocks are set, and activations cancelled: a wait looks again so often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

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

/// What `onair-mxl` carries, and how controllers have connected it.
#[derive(Clone, Debug, Default)]
pub struct OnMxl {
    /// What it carries.
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
    lots: Mutex<HashMap<SessionName, Lot>>,
    changes: watch::Sender<u64>,
    places: Index<(u64, Arc<Carried>), (Side, SessionName, Place)>,
}

/// What is known of one session's connection.
#[derive(Debug, Default)]
struct Lot {
    staged: Option<Staged>,
    scheduled: Option<Scheduled>,
    active: Option<Active>,
    activations: u64,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// The last activation: it holds as long as nobody else moves the session.
#[derive(Debug)]
struct Active {
    staged: Staged,
    activation: ActivationShown,
    made: Place,
}

impl Lot {
    fn held(&self, place: &Place) -> Option<&Active> {
        self.active.as_ref().filter(|it| it.made == *place)
    }

    fn staged(&self, place: &Place) -> Staged {
        let last = || self.held(place).map(|it| it.staged.clone());
        let staged = self.staged.clone().or_else(last);
        staged.unwrap_or_else(|| Staged::of(place))
    }

    fn show_staged(&self, place: &Place) -> Value {
        let activation = self.scheduled.as_ref();
        let activation = activation.map(|it| ActivationShown::scheduled(it, it.at));
        shown(place, &self.staged(place), &activation.unwrap_or_default())
    }

    fn show_active(&self, place: &Place) -> Value {
        let held = self.held(place);
        let active = Staged {
            peer: held.and_then(|it| it.staged.peer),
            ..Staged::of(place)
        };
        let activation = held.map(|it| it.activation.clone());
        shown(place, &active, &activation.unwrap_or_default())
    }

    fn subscription(&self, place: &Place) -> Subscription {
        let held = self.held(place).filter(|_| place.active);
        Subscription {
            active: place.active,
            peer: held.and_then(|it| it.staged.peer),
            activations: self.activations,
        }
    }
}

fn shown(place: &Place, staged: &Staged, activation: &ActivationShown) -> Value {
    let parts = Parts {
        peer: staged.peer,
        enable: staged.enable,
        file: &TransportFile::default(),
        params: json!([staged.params]),
    };
    document(place.side, parts, activation)
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
            lots: Mutex::default(),
            changes: watch::Sender::new(0),
            places: Index::default(),
        }))
    }

    /// What is carried and connected: the newest. Ends with its last reader.
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
        let mut lots = self.lots();
        lots.retain(|name, _| carried.sessions.iter().any(|it| it.session == *name));
        let subscriptions = carried.sessions.iter().map(|it| {
            let lot = lots.entry(it.session.clone()).or_default();
            (
                it.session.clone(),
                lot.subscription(&Place::of(&carried, it)),
            )
        });
        let subscriptions = subscriptions.collect();
        OnMxl {
            carried,
            subscriptions,
        }
    }

    fn lots(&self) -> MutexGuard<'_, HashMap<SessionName, Lot>> {
        self.0.lots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Tai {
        Tai::now(self.0.facts.borrow().as_deref())
    }

    /// The sessions that are resources, by their identities.
    fn all(&self) -> Arc<HashMap<String, (Side, SessionName, Place)>> {
        let (facts, carried) = (self.0.facts.borrow(), self.0.carried.borrow());
        let number = facts.as_ref().map_or(0, |it| it.number);
        self.0.places.of((number, Arc::clone(&carried)), || {
            on_mxl(facts.as_deref(), &carried).map(|(it, _)| {
                let side = Side::from(it.direction);
                let id = side.mxl_id(&self.0.ids, &it.session).to_string();
                (id, (side, it.session.clone(), Place::of(&carried, it)))
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

    fn find(&self, side: Side, id: &str) -> Result<(SessionName, Place), Refusal> {
        let all = self.all();
        let found = all.get(id).filter(|it| it.0 == side);
        let found = found.map(|(_, name, place)| (name.clone(), *place));
        found.ok_or_else(|| Refusal::NotFound(format!("{side} {id}")))
    }

    /// A document of a resource, by its name; `None`: it has none of this name.
    pub(super) fn show(&self, side: Side, id: &str, what: &str) -> Result<Option<Value>, Refusal> {
        let (name, place) = self.find(side, id)?;
        let mut lots = self.lots();
        let lot = lots.entry(name).or_default();
        Ok(match what {
            "constraints" => Some(place.constraints()),
            "staged" => Some(lot.show_staged(&place)),
            "active" => Some(lot.show_active(&place)),
            "transporttype" => Some(json!("urn:x-nmos:transport:mxl")),
            _ => None,
        })
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
        let turn = Arc::clone(&self.lots().entry(name.clone()).or_default().turn);
        let _turn = turn.lock().await;
        let (_, place) = self.find(side, id)?;
        let wanted = patch.activation.as_ref().map(|it| it.wanted(now));
        let wanted = wanted.transpose()?;
        let staged = {
            let mut lots = self.lots();
            let lot = lots.entry(name.clone()).or_default();
            // The lock ends by an activation whose mode is null, which may change more.
            if lot.scheduled.is_some() && wanted != Some(Wanted::Nothing) {
                return Err(Refusal::Locked);
            }
            let staged = lot.staged(&place).patched(&patch, &place)?;
            if let Some(Wanted::Now | Wanted::At(_)) = wanted {
                staged.flow(&place)?;
            }
            (lot.staged, lot.scheduled) = (Some(staged.clone()), None);
            if let Some(Wanted::At(scheduled)) = wanted {
                lot.scheduled = Some(scheduled);
            }
            staged
        };
        let activation = match wanted {
            None | Some(Wanted::Nothing) => ActivationShown::default(),
            Some(Wanted::Now) => self.activate((side, id), &name, &staged, None).await?,
            Some(Wanted::At(scheduled)) => {
                self.schedule((side, id.to_owned()), name, scheduled);
                ActivationShown::scheduled(&scheduled, scheduled.at)
            }
        };
        let is_scheduled = matches!(wanted, Some(Wanted::At(_)));
        Ok((is_scheduled, shown(&place, &staged, &activation)))
    }

    /// Has `onair-mxl` make it so. Whoever calls it has the session's turn.
    async fn activate(
        &self,
        (side, id): (Side, &str),
        name: &SessionName,
        staged: &Staged,
        scheduled: Option<Scheduled>,
    ) -> Result<ActivationShown, Refusal> {
        let (_, place) = self.find(side, id)?;
        let flow = staged.flow(&place)?;
        let made = Place {
            flow,
            active: staged.enable,
            ..place
        };
        let order = Order {
            session: name.clone(),
            active: made.active,
            flow,
        };
        self.0.client.order(&order).await?;
        let now = self.now();
        let activation = match &scheduled {
            None => ActivationShown::immediate(now),
            Some(scheduled) => ActivationShown::scheduled(scheduled, now),
        };
        let active = Active {
            staged: staged.clone(),
            activation: activation.clone(),
            made,
        };
        {
            let mut lots = self.lots();
            let lot = lots.entry(name.clone()).or_default();
            (lot.staged, lot.scheduled, lot.active) = (None, None, Some(active));
            lot.activations += 1;
        }
        self.0.changes.send_modify(|it| *it += 1);
        Ok(activation)
    }

    /// Activates what is staged at its time, unless it is cancelled.
    fn schedule(&self, (side, id): (Side, String), name: SessionName, scheduled: Scheduled) {
        let own = self.clone();
        tokio::spawn(async move {
            loop {
                let left = scheduled.at.from(own.now());
                if left.is_zero() {
                    break;
                }
                sleep(left.min(LOOK_AGAIN)).await;
            }
            let turn = Arc::clone(&own.lots().entry(name.clone()).or_default().turn);
            let _turn = turn.lock().await;
            let staged = {
                let lots = own.lots();
                let lot = lots.get(&name);
                let lot = lot.filter(|it| it.scheduled == Some(scheduled));
                lot.and_then(|it| it.staged.clone())
            };
            let Some(staged) = staged else { return };
            let done = own.activate((side, &id), &name, &staged, Some(scheduled));
            if let Err(error) = done.await {
                tracing::warn!("{name} on MXL: scheduled activation: {error}");
                let mut lots = own.lots();
                if let Some(lot) = lots.get_mut(&name) {
                    lot.scheduled = None;
                }
            }
        });
    }
}
