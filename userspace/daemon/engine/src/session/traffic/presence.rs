//! Whether a counter still grows, and since when it does not.

use std::time::{Duration, Instant};

use onair_api::Timestamp;

/// A counter that grows while there is a signal.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    seen: u64,
    grew: Option<(Instant, Timestamp)>,
    from: AbsentFrom,
}

/// From when on nothing came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum AbsentFrom {
    /// The session's start.
    #[default]
    Start,
    /// The session got other addresses.
    Retarget,
    /// The last time that something came.
    Last,
}

/// Nothing came for too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absence {
    pub(crate) since: Timestamp,
    pub(crate) from: AbsentFrom,
}

impl Presence {
    /// Looks at the counter; the first look is the start.
    pub(crate) fn look(
        &mut self,
        value: u64,
        now: Instant,
        wall: Timestamp,
        timeout: Duration,
    ) -> Option<Absence> {
        let grows = value > self.seen && self.grew.is_some();
        self.seen = value;
        if grows {
            self.from = AbsentFrom::Last;
            self.grew = None;
        }
        let (at, since) = *self.grew.get_or_insert((now, wall));
        let is_absent = now.saturating_duration_since(at) >= timeout;
        is_absent.then_some(Absence {
            since,
            from: self.from,
        })
    }

    /// The session got other addresses: nothing came to them before.
    pub(crate) fn retarget(&mut self, wall: Timestamp) {
        if let Some((_, since)) = &mut self.grew {
            *since = wall;
            self.from = AbsentFrom::Retarget;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    #[test]
    fn counter_that_rests_is_absent_until_it_grows() {
        let mut presence = Presence::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let wall = |ms| Timestamp(UNIX_EPOCH + Duration::from_millis(ms));
        let timeout = Duration::from_secs(1);
        // It counted before the session was started again.
        assert_eq!(presence.look(70, at(0), wall(0), timeout), None);
        assert_eq!(presence.look(70, at(999), wall(999), timeout), None);
        let never = presence.look(70, at(1000), wall(1000), timeout).unwrap();
        assert_eq!(never.from, AbsentFrom::Start);
        assert_eq!(presence.look(71, at(2000), wall(2000), timeout), None);
        assert_eq!(presence.look(71, at(2900), wall(2900), timeout), None);
        let later = presence.look(71, at(3000), wall(3000), timeout).unwrap();
        assert_eq!(later.from, AbsentFrom::Last);

        // It stays absent, and not since a time before the change.
        presence.retarget(wall(3050));
        let changed = presence.look(71, at(3100), wall(3100), timeout).unwrap();
        assert_eq!(changed.from, AbsentFrom::Retarget);
        assert_eq!(changed.since, wall(3050));
    }
}
