//! Which converted session a client gets that names a layout when it attaches.

use std::time::Duration;

use super::follower::UNUSED;

/// A session that has the frames of the wanted source in the wanted layout, at a look.
#[derive(Clone, Copy, Debug)]
pub struct SessionInLayout {
    /// Its id.
    pub id: u64,
    /// It waits to be destroyed.
    pub is_draining: bool,
    /// It has as many clients as it allows.
    pub is_full: bool,
    /// A client is attached, or about to be.
    pub has_clients: bool,
}

/// What a client gets that wants a layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LayoutChoice {
    /// This session.
    Share(u64),
    /// One that is made when this one, which has no client, has ended.
    After(u64),
    /// One that is made now, if the source allows one more.
    Make,
}

impl LayoutChoice {
    /// The choice among the sessions that have the layout, in the order of their ids: one with a free place, or the
    /// first; a session that is being destroyed takes no client.
    pub fn among(all: impl IntoIterator<Item = SessionInLayout>) -> Self {
        let all = all.into_iter();
        let (ending, usable): (Vec<_>, Vec<_>) = all.partition(|it| it.is_draining);
        if let Some(first) = usable.iter().min_by_key(|it| (it.is_full, it.id)) {
            return Self::Share(first.id);
        }
        match ending.iter().find(|it| !it.has_clients) {
            Some(unused) => Self::After(unused.id),
            None => Self::Make,
        }
    }
}

/// The places of a session's clients, at a look.
#[derive(Clone, Copy, Debug)]
pub struct ClientPlaces {
    /// None is free.
    pub is_full: bool,
    /// A client that leaves still has one.
    pub is_settling: bool,
    /// A session that was made for clients has one, and has no client itself.
    pub has_unused_follower: bool,
}

impl ClientPlaces {
    /// How much longer than usual a client waits for a place that comes free soon. `None`: it does not wait.
    #[must_use]
    pub fn wait(self) -> Option<Duration> {
        match self.is_full {
            true if self.has_unused_follower => Some(UNUSED),
            true if self.is_settling => Some(Duration::ZERO),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u64, flags: &str) -> SessionInLayout {
        SessionInLayout {
            id,
            is_draining: flags.contains('d'),
            is_full: flags.contains('f'),
            has_clients: flags.contains('c'),
        }
    }

    #[test]
    fn first_session_with_a_free_place_is_shared() {
        let choose = |all: &[(u64, &str)]| {
            let all = all.iter().map(|(id, flags)| session(*id, flags));
            LayoutChoice::among(all)
        };
        assert_eq!(choose(&[]), LayoutChoice::Make);
        assert_eq!(
            choose(&[(1, "fc"), (2, ""), (3, "")]),
            LayoutChoice::Share(2)
        );
        // A full one refuses with the reason, instead of a second session for the same layout.
        assert_eq!(choose(&[(1, "fc"), (2, "fc")]), LayoutChoice::Share(1));
        assert_eq!(choose(&[(1, "d"), (2, "fc")]), LayoutChoice::Share(2));
    }

    #[test]
    fn session_without_clients_that_ends_is_waited_for() {
        let choose = |all: [&str; 2]| {
            let all = (1..).zip(all).map(|(id, flags)| session(id, flags));
            LayoutChoice::among(all)
        };
        assert_eq!(choose(["dc", "d"]), LayoutChoice::After(2));
        assert_eq!(choose(["d", "d"]), LayoutChoice::After(1));
        assert_eq!(choose(["dc", "dc"]), LayoutChoice::Make);
    }

    #[test]
    fn client_waits_only_for_a_place_that_comes_free() {
        let wait = |is_full, is_settling, has_unused_follower| {
            let places = ClientPlaces {
                is_full,
                is_settling,
                has_unused_follower,
            };
            places.wait()
        };
        for [is_settling, unused] in [[false, false], [false, true], [true, false], [true, true]] {
            assert_eq!(wait(false, is_settling, unused), None);
        }
        assert_eq!(wait(true, false, false), None);
        assert_eq!(wait(true, true, false), Some(Duration::ZERO));
        assert_eq!(wait(true, false, true), Some(UNUSED));
        assert_eq!(wait(true, true, true), Some(UNUSED));
    }
}
