//! Which sessions are shown, and in which order.

use std::cmp::Reverse;
use std::str::FromStr;

use clap::ValueEnum;
use onair_api::ListedSession;

use crate::render::top::{Lamp, ports};

/// Order of the sessions, by the property of which the first ones have most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    /// Without a signal, then with problems
    Worst,
    Name,
    /// Most lost packets now
    Loss,
    /// Highest bit rate
    Rate,
    Port,
}

impl Order {
    /// The order that a key stands for: its first letter.
    pub(super) fn of_key(key: u8) -> Option<Self> {
        let key = char::from(key.to_ascii_lowercase());
        let all = Self::value_variants().iter().copied();
        all.clone().find(|it| it.name().starts_with(key))
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Worst => "worst",
            Self::Name => "name",
            Self::Loss => "loss",
            Self::Rate => "rate",
            Self::Port => "port",
        }
    }

    /// Sorts; equals stay in their order.
    pub(super) fn sort(self, sessions: &mut [ListedSession]) {
        match self {
            Self::Worst => sessions.sort_by_key(Lamp::of),
            Self::Name => sessions.sort_by(|a, b| a.name.cmp(&b.name)),
            Self::Loss => sessions.sort_by_key(|it| Reverse(it.recent.map(|it| it.lost_ppm))),
            Self::Rate => {
                sessions.sort_by_key(|it| Reverse(it.recent.map(|it| it.bits_per_second)));
            }
            Self::Port => sessions.sort_by(|a, b| a.port.cmp(&b.port)),
        }
    }
}

/// Conditions for a shown session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    field: Field,
    text: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Field {
    Name,
    Port,
    Group,
    State,
}

/// A filter is of no known field.
#[derive(Debug, thiserror::Error)]
#[error("no field {0}: give name, port, group or state, as state=absent")]
pub(crate) struct NoField(String);

impl FromStr for Filter {
    type Err = NoField;

    fn from_str(text: &str) -> Result<Self, NoField> {
        let (field, text) = text.split_once('=').unwrap_or(("name", text));
        let field = match field {
            "name" => Field::Name,
            "port" => Field::Port,
            "group" => Field::Group,
            "state" => Field::State,
            other => return Err(NoField(other.to_owned())),
        };
        Ok(Self {
            field,
            text: text.to_owned(),
        })
    }
}

impl Filter {
    /// Whether the session is shown.
    pub(super) fn takes(&self, session: &ListedSession) -> bool {
        let text = self.text.as_str();
        let group = session.view.as_ref().and_then(|it| it.member_of.as_ref());
        match self.field {
            Field::Name => session.name.as_str().contains(text),
            Field::Port => ports(session).contains(&text),
            Field::Group => group.is_some_and(|it| it.as_str() == text),
            Field::State => {
                let signal = session.signal.map(|it| it.to_string());
                session.state.to_string() == text || signal.as_deref() == Some(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_order_has_a_key_of_its_own() {
        for order in Order::value_variants() {
            let key = order.name().as_bytes()[0];
            assert_eq!(Order::of_key(key), Some(*order));
            assert_eq!(Order::of_key(key.to_ascii_uppercase()), Some(*order));
        }
        assert_eq!(Order::of_key(b'q'), None);
    }

    #[test]
    fn filter_of_an_unknown_field_then_error_names_the_known() {
        let error = "owner=0".parse::<Filter>().unwrap_err().to_string();
        assert!(
            error.contains("owner") && error.contains("group"),
            "{error}"
        );
        assert_eq!("cam".parse::<Filter>().unwrap().field, Field::Name);
    }
}
