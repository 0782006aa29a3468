//! Sender or receiver.

use std::fmt;

use onair_api::{Direction, SessionName};
use uuid::Uuid;

use crate::identity::Ids;

/// Role of a session for controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// A send session.
    Sender,
    /// A receive session.
    Receiver,
}

impl Side {
    /// The part of a path.
    #[must_use]
    pub fn of_path(part: &str) -> Option<Self> {
        match part {
            "senders" => Some(Self::Sender),
            "receivers" => Some(Self::Receiver),
            _ => None,
        }
    }

    pub(super) const fn of(direction: Direction) -> Self {
        match direction {
            Direction::Send => Self::Sender,
            // Local ones are no resources.
            Direction::Receive | Direction::Local => Self::Receiver,
        }
    }

    pub(super) fn id(self, ids: &Ids, session: &SessionName) -> Uuid {
        match self {
            Self::Sender => ids.sender(session),
            Self::Receiver => ids.receiver(session),
        }
    }

    /// Of a session on MXL.
    pub(super) fn mxl_id(self, ids: &Ids, session: &SessionName) -> Uuid {
        match self {
            Self::Sender => ids.mxl_sender(session),
            Self::Receiver => ids.mxl_receiver(session),
        }
    }

    /// The field with the other end's identity.
    pub(super) const fn peer(self) -> &'static str {
        match self {
            Self::Sender => "receiver_id",
            Self::Receiver => "sender_id",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sender => "sender",
            Self::Receiver => "receiver",
        })
    }
}
