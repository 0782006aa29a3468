//! One reader's queue of events.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::poll_fn;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

use onair_api::{Event, EventKind, SessionId};
use onair_shares::Owner;

use super::interest::{Interest, LastSeen, Subject};
use crate::clock::Clocks;

/// Events that may wait for one reader.
pub(super) const WAITING: usize = 1024;
/// So many are kept.
pub(super) const MOST: usize = 1024;

#[derive(Debug, Default)]
struct QueueState {
    waiting: VecDeque<Arc<Event>>,
    lost: u64,
    /// Number of the last event that was lost.
    lost_until: u64,
    closed: bool,
    /// The reader, while it waits.
    reader: Option<Waker>,
}

#[derive(Debug, Default)]
struct QueueShared {
    state: Mutex<QueueState>,
}

impl QueueShared {
    /// Changes the queue, and wakes its reader.
    fn change(&self, change: impl FnOnce(&mut QueueState)) {
        let mut state = self.lock();
        change(&mut state);
        let reader = state.reader.take();
        drop(state);
        reader.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, QueueState> {
        // No code panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The hub's end of a queue.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) owner: Owner,
    pub(super) interest: Interest,
    shared: Weak<QueueShared>,
}

/// The reader's end of a queue. Dropping it frees its place.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<QueueShared>,
    begins: LastSeen,
    clock: Clocks,
}

/// A queue for [`WAITING`] events. Replayed events do not count against that.
pub(super) fn queue(
    owner: Owner,
    interest: Interest,
    (begins, clock): (LastSeen, Clocks),
    replay: VecDeque<Arc<Event>>,
    (lost, lost_until): (u64, u64),
) -> (Sink, Subscription) {
    let state = QueueState {
        waiting: replay,
        lost,
        lost_until,
        closed: false,
        reader: None,
    };
    let shared = Arc::new(QueueShared {
        state: Mutex::new(state),
    });
    let sink = Sink {
        owner,
        interest,
        shared: Arc::downgrade(&shared),
    };
    let subscription = Subscription {
        shared,
        begins,
        clock,
    };
    (sink, subscription)
}

impl Sink {
    /// Whether the reader still exists.
    pub(super) fn is_read(&self) -> bool {
        self.shared.strong_count() > 0
    }

    /// Adds an event; without room, the oldest one is dropped.
    pub(super) fn put(&self, event: &Arc<Event>) {
        let Some(shared) = self.shared.upgrade() else {
            return;
        };
        shared.change(|state| {
            while state.waiting.len() >= WAITING {
                let Some(oldest) = state.waiting.pop_front() else {
                    break;
                };
                state.lost += 1;
                state.lost_until = oldest.sequence;
            }
            state.waiting.push_back(Arc::clone(event));
        });
    }

    /// No more events follow; waiting ones can still be taken.
    pub(super) fn close(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.change(|state| state.closed = true);
        }
    }
}

impl Subscription {
    /// The next event, as soon as there is one; `None` at the end. A `lost` stands in for lost
    /// events.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        poll_fn(|context| {
            let mut state = self.shared.lock();
            let count = std::mem::take(&mut state.lost);
            if count > 0 {
                return Poll::Ready(Some(Arc::new(Event {
                    sequence: state.lost_until,
                    at: self.clock.wall(),
                    session: None,
                    name: None,
                    kind: EventKind::Lost { count },
                })));
            }
            if let Some(event) = state.waiting.pop_front() {
                return Poll::Ready(Some(event));
            }
            if state.closed {
                return Poll::Ready(None);
            }
            state.reader = Some(context.waker().clone());
            Poll::Pending
        })
        .await
    }

    /// After which event it begins; of this daemon.
    #[must_use]
    pub const fn begins(&self) -> LastSeen {
        self.begins
    }
}

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
