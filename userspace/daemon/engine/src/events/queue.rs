//! One reader's queue of events.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Poll, Waker};

use onair_api::{Event, EventKind};
use onair_shares::Owner;

use super::interest::{Interest, LastSeen};
use crate::clock::Clocks;

/// Events that may wait for one reader.
pub(super) const WAITING: usize = 1024;

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
