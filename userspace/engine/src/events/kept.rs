//! The events that are kept for readers that reconnect: no user's noise takes the place of other users' events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use onair_api::{Event, SessionId};

use super::interest::Subject;

/// So many are kept.
pub(super) const MOST: usize = 1024;

/// The user that caused an event, and the session. What is about no session counts as one of root.
type Source = (u32, Option<SessionId>);

/// The latest events. Of more than [`MOST`], the oldest goes of the session with the most, among those of the user with
/// the most.
#[derive(Debug, Default)]
pub(super) struct Kept {
    events: VecDeque<(Option<Subject>, Arc<Event>)>,
    counts: BTreeMap<Source, usize>,
}

impl Kept {
    /// Keeps one more.
    pub(super) fn push(&mut self, about: Option<Subject>, event: Arc<Event>) {
        if self.events.len() >= MOST {
            self.forget_one();
        }
        *self.counts.entry(source(about.as_ref())).or_default() += 1;
        self.events.push_back((about, event));
    }

    /// Those with a higher number, the oldest first.
    pub(super) fn after(&self, seen: u64) -> impl Iterator<Item = &(Option<Subject>, Arc<Event>)> {
        self.events.iter().filter(move |it| it.1.sequence > seen)
    }

    fn forget_one(&mut self) {
        let mut users = BTreeMap::<u32, usize>::new();
        for (source, count) in &self.counts {
            *users.entry(source.0).or_default() += count;
        }
        let noisiest = users.into_iter().max_by_key(|it| it.1).map(|it| it.0);
        let its = self.counts.iter_mut().filter(|it| Some(it.0.0) == noisiest);
        let Some((&noisiest, count)) = its.max_by_key(|it| *it.1) else {
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.counts.remove(&noisiest);
        }
        let mut events = self.events.iter();
        let oldest = events.position(|it| source(it.0.as_ref()) == noisiest);
        if let Some(oldest) = oldest {
            self.events.remove(oldest);
        }
    }
}

fn source(about: Option<&Subject>) -> Source {
    about.map_or((0, None), |it| (it.caused_by, Some(it.session)))
}
