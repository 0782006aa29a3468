//! Sessions, as the list of them shows them.

use onair_essence::{Listed as _, ListedFormat};
use serde::{Deserialize, Serialize};

use super::{RecentTraffic, SessionProblemKind, SessionState, SessionView, SignalState};
use crate::id::{SessionId, SessionName};
use crate::spec::{Convert, Direction};
use crate::time::Timestamp;

/// A session in a list: what tells it from others, and whether it is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ListedSession {
    /// Its identity.
    pub id: SessionId,
    /// Its name.
    pub name: SessionName,
    /// Direction of the packets, or that there are none.
    pub direction: Direction,
    /// State of the session.
    pub state: SessionState,
    /// Name of its port; absent for a local session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub port: String,
    /// Name of the poller that runs it.
    #[serde(default)]
    pub poller: String,
    /// Destination of the packets, `IPv4:port` or `[IPv6]:port`; absent for a local session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub destination: String,
    /// The session whose frames it converts, and to what; absent for a session of packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub convert: Option<Convert>,
    /// Its format, for people.
    #[serde(flatten)]
    pub carries: ListedFormat,
    /// Number of attached processes.
    pub attachments: u64,
    /// Attachments at a time.
    pub max_attachments: u32,
    /// The uid that owns it; absent if only the daemon's own users do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<u32>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Whether it has a picture, and the right one; absent unless the session is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<SignalState>,
    /// Kinds of what is wrong with its traffic now.
    #[serde(default)]
    pub problems: Vec<SessionProblemKind>,
    /// Its rates now; absent unless the session is running, and in its first moments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recent: Option<RecentTraffic>,
    /// The whole session; only with `full=true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<Box<SessionView>>,
}

impl ListedSession {
    /// Its format, for people.
    #[must_use]
    pub fn format(&self) -> &str {
        self.carries.format()
    }

    /// Frames a second as an exact ratio.
    #[must_use]
    pub fn rate(&self) -> &str {
        self.carries.rate()
    }

    /// Buffers that make a frame: two fields, or one.
    #[must_use]
    pub fn units_a_frame(&self) -> u64 {
        self.carries.units_a_period()
    }
}

impl From<&SessionView> for ListedSession {
    fn from(view: &SessionView) -> Self {
        Self {
            id: view.id,
            name: view.name.clone(),
            direction: view.direction,
            state: view.state,
            port: view.port.clone(),
            poller: view.poller.clone(),
            destination: view.flow.destination.clone(),
            convert: view.convert.clone(),
            carries: view.format.clone().into(),
            attachments: view.attachments.len() as u64,
            max_attachments: view.max_attachments,
            owner: view.owner.as_ref().map(|owner| owner.uid),
            created_at: view.created_at,
            signal: view.signal.as_ref().map(|it| it.state),
            problems: view.problems.iter().map(|it| it.problem).collect(),
            recent: view.recent,
            view: None,
        }
    }
}

/// Answer of `GET /v1/sessions`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// Live sessions, oldest first.
    pub sessions: Vec<ListedSession>,
    /// There are more: give this as `after` to list them. Absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<SessionId>,
}
