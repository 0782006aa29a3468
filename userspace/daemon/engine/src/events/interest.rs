//! Which events a reader may and wants to see, and from where on.

use std::collections::BTreeSet;
use std::str::FromStr;

use onair_api::{EventName, SessionId, SessionName, SessionRef};
use onair_settings::access::authority::Grant;

/// The session that an event is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The session's id.
    pub session: SessionId,
    /// The session's name.
    pub name: SessionName,
    /// The uid that owns the session.
    pub owner: u32,
    /// The uid that causes the event.
    pub caused_by: u32,
}

/// The events that one reader may and wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interest {
    /// The sessions that it may see. Events about the daemon are for [`Grant::Any`] only.
    pub grant: Grant,
    /// Only events of this session (by name: of every session of this name).
    pub session: Option<SessionRef>,
    /// Only events of these kinds; empty: of all.
    pub kinds: BTreeSet<EventName>,
}

impl Interest {
    /// Whether an event of this kind about this session (`None`: about the daemon) is wanted and
    /// allowed.
    #[must_use]
    pub fn covers(&self, about: Option<&Subject>, kind: EventName) -> bool {
        let wanted = match (&self.session, about) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(wanted), Some(about)) => wanted.names(about.session, &about.name),
        };
        wanted
            && self.grant.covers(about.map(|about| about.owner))
            && (self.kinds.is_empty() || self.kinds.contains(&kind))
    }
}

/// The last event that a reader has: the `id` of a server-sent event, `INCARNATION.SEQUENCE` (hex,
/// decimal), or only a sequence number of this daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastSeen {
    /// The daemon that sent it; `None`: this one.
    pub incarnation: Option<u32>,
    /// The event's number; 0: no event yet.
    pub sequence: u64,
}

impl std::fmt::Display for LastSeen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.incarnation {
            Some(incarnation) => write!(f, "{incarnation:08x}.{}", self.sequence),
            None => self.sequence.fmt(f),
        }
    }
}

/// A text that is not the id of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("give the id of an event, as 6b000e6b.42, or a sequence number; 0 for all that are kept")]
pub struct NoSuchId;

impl FromStr for LastSeen {
    type Err = NoSuchId;

    fn from_str(text: &str) -> Result<Self, NoSuchId> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let (incarnation, sequence) = match text.split_once('.') {
            Some((incarnation, sequence)) if incarnation.len() == 8 && digits(incarnation) => {
                let number = u32::from_str_radix(incarnation, 16).map_err(|_| NoSuchId)?;
                (Some(number), sequence)
            }
            Some(_) => return Err(NoSuchId),
            None => (None, text),
        };
        if !digits(sequence) {
            return Err(NoSuchId);
        }
        Ok(Self {
            incarnation,
            sequence: sequence.parse().map_err(|_| NoSuchId)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_seen_texts_then_ids_and_numbers_only() {
        for (text, incarnation, sequence) in
            [("6b000e6b.42", Some(0x6b00_0e6b), 42), ("0", None, 0)]
        {
            let seen = LastSeen {
                incarnation,
                sequence,
            };
            assert_eq!(text.parse(), Ok(seen));
            assert_eq!(seen.to_string(), text);
        }
        for text in [
            "",
            ".",
            "x",
            "-1",
            "+1",
            "6b.1",
            "6b000e6b.",
            "6b000e6b.x",
            " 1",
        ] {
            assert_eq!(text.parse::<LastSeen>(), Err(NoSuchId), "{text:?}");
        }
    }

    #[test]
    fn interest_session_kind_and_right_then_all_three_must_hold() {
        let cam = Subject {
            session: SessionId(1),
            name: "cam".parse().expect("a name"),
            owner: 1000,
            caused_by: 1000,
        };
        let all = Interest {
            grant: Grant::Any,
            session: None,
            kinds: BTreeSet::new(),
        };
        let stopped = EventName::SessionStopped;
        assert!(all.covers(Some(&cam), stopped) && all.covers(None, EventName::PortGone));
        for (session, seen) in [("cam", true), ("cam2", false), ("0000000000000001", true)] {
            let one = Interest {
                session: Some(session.parse().expect("a session")),
                ..all.clone()
            };
            assert_eq!(one.covers(Some(&cam), stopped), seen, "{session}");
            assert!(!one.covers(None, EventName::PortGone));
        }
        let some = Interest {
            kinds: [EventName::Destroyed].into(),
            ..all.clone()
        };
        assert!(some.covers(Some(&cam), EventName::Destroyed));
        assert!(!some.covers(Some(&cam), stopped));
        for (uid, seen) in [(1000, true), (1001, false)] {
            let own = Interest {
                grant: Grant::OwnedBy(uid),
                ..all.clone()
            };
            assert_eq!(own.covers(Some(&cam), stopped), seen);
            assert!(!own.covers(None, EventName::PortGone));
        }
    }
}
