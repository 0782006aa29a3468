//! Until when receivers go on for senders that were stopped.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long senders may finish what was submitted: more than the longest unit (23.98 a second).
const LONGEST: Duration = Duration::from_millis(50);
/// With less time until the deadline receivers stop at once: they have to end, too.
const ENOUGH: Duration = Duration::from_secs(1);
/// How long the last packets may be on their way, and a client may need to take their unit.
const ON_THE_WAY: Duration = Duration::from_millis(2);

/// The units that stopped senders finish: receivers of this daemon may be waiting for them.
#[derive(Debug)]
pub(super) struct Finishing {
    /// Senders whose pollers have their runtimes.
    senders: BTreeSet<u64>,
    latest: Instant,
    until: Instant,
}

impl Finishing {
    /// Of a shutdown whose users have until `deadline`.
    pub(super) fn new(now: Instant, deadline: Instant) -> Self {
        let has_time = deadline.saturating_duration_since(now) >= ENOUGH;
        Self {
            senders: BTreeSet::new(),
            latest: if has_time { now + LONGEST } else { now },
            until: now,
        }
    }

    /// A sender is being stopped.
    pub(super) fn begin(&mut self, id: u64) {
        self.senders.insert(id);
        self.until = self.latest;
    }

    /// The runtime of a session is back.
    pub(super) fn end(&mut self, id: u64, now: Instant) {
        if self.senders.remove(&id) && self.senders.is_empty() {
            self.until = self.latest.min(now + ON_THE_WAY);
        }
    }

    /// When receivers stop.
    pub(super) fn until(&self) -> Instant {
        self.until
    }
}
