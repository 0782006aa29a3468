//! The events that are kept for readers that reconnect: no user's noise takes the place of other users' events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use onair_api::{Event, SessionId};

use super::interest::Subject;

/// So many are kept.
pub(super) const MOST: usize = 1024;

/// The user that caused an event, and the session. What is about no session counts as one of root.
type Source = (u32, Option<SessionId>);

/// The latest events. Of more than [`MOST`], the oldest goes of the session with the most, among those of the user with
/// the most. To find it takes as long with a thousand sessions as with one.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// By number.
    events: BTreeMap<u64, (Option<Subject>, Arc<Event>)>,
    /// The numbers of the events of each, the oldest first.
    sources: BTreeMap<Source, VecDeque<u64>>,
    /// The events of each user.
    users: BTreeMap<u32, usize>,
    /// The sessions of each user by their events.
    loudest: BTreeSet<(u32, usize, Option<SessionId>)>,
}

impl Kept {
    /// Keeps one more, with a higher number.
    pub(super) fn push(&mut self, about: Option<Subject>, event: Arc<Event>) {
        if self.events.len() >= MOST {
            self.forget_one();
        }
        let source = source(about.as_ref());
        let numbers = self.sources.entry(source).or_default();
        let count = numbers.len();
        numbers.push_back(event.sequence);
        *self.users.entry(source.0).or_default() += 1;
        self.recount(source, count, count + 1);
        self.events.insert(event.sequence, (about, event));
    }

    /// Those with a higher number, the oldest first.
    pub(super) fn after(&self, seen: u64) -> impl Iterator<Item = &(Option<Subject>, Arc<Event>)> {
        self.events
            .range((Bound::Excluded(seen), Bound::Unbounded))
            .map(|(_, event)| event)
    }

    fn forget_one(&mut self) {
        let Some((&user, events)) = self.users.iter_mut().max_by_key(|it| *it.1) else {
            return;
        };
        *events -= 1;
        if *events == 0 {
            self.users.remove(&user);
        }
        let last = (user, usize::MAX, Some(SessionId(u64::MAX)));
        let its = self.loudest.range(..=last).next_back();
        let &(_, count, session) = its.expect("a user with events has a session");
        let source = (user, session);
        let numbers = self.sources.get_mut(&source).expect("counted above");
        if let Some(oldest) = numbers.pop_front() {
            self.events.remove(&oldest);
        }
        if numbers.is_empty() {
            self.sources.remove(&source);
        }
        self.recount(source, count, count - 1);
    }

    /// A session has another number of events.
    fn recount(&mut self, (user, session): Source, before: usize, now: usize) {
        self.loudest.remove(&(user, before, session));
        if now > 0 {
            self.loudest.insert((user, now, session));
        }
    }
}

fn source(about: Option<&Subject>) -> Source {
    about.map_or((0, None), |it| (it.caused_by, Some(it.session)))
}
