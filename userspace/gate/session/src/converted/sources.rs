//! The source of a converted session, and the problems that concern it.

use onair_api::{SessionId, SessionState};

/// State of a converted session's source, at a look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SourceState {
    /// It runs.
    #[default]
    Running,
    /// It is there, and does not run.
    Stopped,
    /// It is gone, or cannot be the source: the reason.
    Gone(String),
}

impl SourceState {
    /// Notes the state of its source; `None`: it has none. The first reason stays.
    pub fn note(&mut self, state: Option<SessionState>) {
        *self = match (state, &self) {
            (Some(SessionState::Running), _) => Self::Running,
            (Some(_), _) => Self::Stopped,
            (None, Self::Gone(_)) => return,
            (None, _) => Self::Gone("it was destroyed".to_owned()),
        };
    }
}

/// A converted session that is new or stopped, or just comes back from its converter, at a look.
#[derive(Clone, Copy, Debug)]
pub struct SourceSearch {
    /// Its source exists.
    pub has_source: bool,
    /// It had one, perhaps one that is gone.
    pub had_source: bool,
    /// It was made for clients, and ends with its first source.
    pub follows_source: bool,
}

impl SourceSearch {
    /// Whether it looks for a session of its source's name.
    #[must_use]
    pub const fn is_due(self) -> bool {
        !(self.has_source || self.follows_source && self.had_source)
    }
}

/// The session that has the name of a source, at a look.
#[derive(Debug)]
pub enum NamedSource {
    /// No session has that name.
    Missing,
    /// It is another user's than the one whose frames may be converted.
    OfAnotherUser,
    /// It cannot be the source: the reason.
    Refused(String),
    /// It can be.
    Usable(SessionId),
}

impl NamedSource {
    /// The source to connect with.
    ///
    /// # Errors
    /// Why there is none, for the session's problems.
    pub fn connectable(self) -> Result<SessionId, String> {
        match self {
            Self::Usable(source) => Ok(source),
            Self::Refused(reason) => Err(reason),
            Self::OfAnotherUser => Err("the session of that name is another user's".to_owned()),
            Self::Missing => Err("no session has that name".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn source_gone_then_the_first_reason_stays_until_it_is_back() {
        let mut state = SourceState::default();
        state.note(Some(SessionState::Draining));
        assert_eq!(state, SourceState::Stopped);
        state.note(None);
        assert_eq!(state, SourceState::Gone("it was destroyed".to_owned()));
        state.note(Some(SessionState::Running));
        assert_eq!(state, SourceState::Running);
        let refused = SourceState::Gone("no session has that name".to_owned());
        state = refused.clone();
        state.note(None);
        assert_eq!(state, refused);
    }

    #[test]
    fn session_looks_for_a_source_only_without_one() {
        let is_due = |has_source, had_source, follows_source| {
            let search = SourceSearch {
                has_source,
                had_source,
                follows_source,
            };
            search.is_due()
        };
        assert!(is_due(false, false, false) && is_due(false, false, true));
        assert!(is_due(false, true, false));
        assert!(!is_due(false, true, true), "it ends with its first source");
        for follows_source in [false, true] {
            assert!(!is_due(true, true, follows_source));
        }
    }

    #[test]
    fn named_source_is_taken_or_says_why_not() {
        let id = SessionId::new(1, 2);
        assert_eq!(NamedSource::Usable(id).connectable(), Ok(id));
        let refused = NamedSource::Refused("it sends".to_owned());
        assert_eq!(refused.connectable(), Err("it sends".to_owned()));
        let missing = NamedSource::Missing.connectable().unwrap_err();
        let other = NamedSource::OfAnotherUser.connectable().unwrap_err();
        assert!(missing.contains("no session"), "{missing}");
        assert!(other.contains("another user's"), "{other}");
    }
}
