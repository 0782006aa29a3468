//! The resources of IS-04 v1.3 that the daemon's sessions are.
//!
//! [`resources`] is pure: the same facts make the same resources. When they changed, and their `version`, is the
//! [`Ledger`](crate::model::Ledger)'s business. Nothing here does I/O.
//!
//! A send session is a source, a flow and a sender, a receive session a receiver; all are of one device. A session in
//! quarantine is none: its name is free. What `onair-mxl` carries is a sender or receiver of MXL besides.

mod clock;
mod group;
mod mxl;
mod node;
mod session;

use onair_api::{Direction, SessionState, SessionView};
use onair_essence::Format;
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::Ids;
use crate::connection::{OnMxl, Subscription, Subscriptions};
use crate::mxl::on_mxl;
use onair_control::Facts;

pub use node::Asset;
pub use node::Host;

/// The kinds of resources, in the order in which a registry takes them: each refers to earlier ones only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// This process.
    Node,
    /// All sessions together.
    Device,
    /// Where the frames of a send session come from.
    Source,
    /// The frames of a send session.
    Flow,
    /// A send session.
    Sender,
    /// A receive session.
    Receiver,
}

impl Kind {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::Node,
        Self::Device,
        Self::Source,
        Self::Flow,
        Self::Sender,
        Self::Receiver,
    ];

    /// Its name: `type` in a registration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Device => "device",
            Self::Source => "source",
            Self::Flow => "flow",
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        }
    }

    /// Its name in paths.
    #[must_use]
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Node => "nodes",
            Self::Device => "devices",
            Self::Source => "sources",
            Self::Flow => "flows",
            Self::Sender => "senders",
            Self::Receiver => "receivers",
        }
    }
}

/// A resource without the versions of itself and of its capabilities.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Which kind.
    pub kind: Kind,
    /// Its identity.
    pub id: Uuid,
    /// Its fields.
    pub fields: Map<String, Value>,
    /// Its connection. An activation is a change also where the fields stay the same.
    pub subscription: Option<Subscription>,
}

impl Resource {
    /// One that is connected to nothing, with the fields of all these objects.
    fn of<'a>(kind: Kind, id: Uuid, fields: impl IntoIterator<Item = &'a Value>) -> Self {
        let fields = fields.into_iter().filter_map(Value::as_object);
        Self {
            kind,
            id,
            fields: fields
                .flatten()
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect(),
            subscription: None,
        }
    }
}

/// Common fields of the resources of one answer.
struct Frame<'a> {
    ids: &'a Ids,
    host: &'a Host,
    subscriptions: &'a Subscriptions,
    /// Sessions on MXL, if this program knows an `onair-mxl`.
    mxl: Option<&'a OnMxl>,
}

impl Frame<'_> {
    fn subscription(&self, session: &SessionView) -> Subscription {
        let subscription = self.subscriptions.get(&session.name);
        subscription.cloned().unwrap_or_default()
    }
}

/// The sessions that are senders or receivers. A receiver has a format that this program knows.
pub fn shown(sessions: &[SessionView]) -> impl Iterator<Item = &SessionView> {
    sessions.iter().filter(|it| {
        let is_gone = matches!(
            it.state,
            SessionState::Quarantined | SessionState::Destroyed
        );
        let is_known = || Format::try_from(it.format.clone()).is_ok();
        // Local ones have no packets.
        !is_gone
            && match it.direction {
                Direction::Send => true,
                Direction::Receive => is_known(),
                Direction::Local => false,
            }
    })
}

/// The resources: the node and the device always, those of sessions once the daemon has answered.
#[must_use]
pub fn resources(
    facts: Option<&Facts>,
    (subscriptions, mxl): (&Subscriptions, Option<&OnMxl>),
    ids: &Ids,
    host: &Host,
) -> Vec<Resource> {
    let frame = Frame {
        ids,
        host,
        subscriptions,
        mxl,
    };
    let sessions = facts.map(|it| it.sessions.as_slice()).unwrap_or_default();
    let sessions: Vec<_> = shown(sessions).collect();
    let roles = group::roles(&sessions);
    let mut made = Vec::new();
    for session in sessions {
        let role = roles.get(&session.name).map(String::as_str);
        match session.direction {
            Direction::Send => made.extend(session::sending(&frame, session, role)),
            Direction::Local => {}
            Direction::Receive => made.extend(session::receiving(&frame, session, role)),
        }
    }
    if let Some(mxl) = mxl {
        for (carrier, session) in on_mxl(facts, &mxl.carried) {
            made.extend(mxl::resources_of(&frame, carrier, session));
        }
    }
    let mut all = vec![
        node::node(&frame, facts.map(|it| &it.health)),
        node::device(&frame, &made),
    ];
    all.append(&mut made);
    all
}
