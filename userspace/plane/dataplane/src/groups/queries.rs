//! Queries of IGMP, from the pollers of a port to the control thread.

use std::sync::Arc;

use crossbeam_queue::ArrayQueue;
use onair_net::igmp::Query;

use crate::messages::events::Events;

/// Queries that wait for the control thread.
const QUERIES: usize = 64;

/// Queries that arrived at one port. What does not fit is dropped: queriers ask again.
#[derive(Debug)]
pub(crate) struct QueryInbox {
    queue: ArrayQueue<Query>,
    events: Arc<Events>,
}

impl QueryInbox {
    pub(crate) fn new(events: Arc<Events>) -> Self {
        Self {
            queue: ArrayQueue::new(QUERIES),
            events,
        }
    }

    /// False if too many wait. A flood wakes the control thread only as often as it looks.
    pub(crate) fn push(&self, query: Query) -> bool {
        let fits = self.queue.push(query).is_ok();
        if fits {
            self.events.wake();
        }
        fits
    }

    pub(crate) fn pop(&self) -> Option<Query> {
        self.queue.pop()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
