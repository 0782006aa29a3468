//! The hub: numbers, keeps and distributes events.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use onair_api::{Event, EventKind, EventName, Problem, ProblemCode};
use onair_settings::access::authority::Grant;
use onair_shares::{Owner, Share, Table, Usage};

use super::interest::{Interest, LastSeen, Subject};
use super::queue::{Kept, Sink, Subscription, queue};
use crate::clock::Clocks;

/// Readers per uid that sees only its own sessions.
const OWN_READERS: usize = 4;

/// The latest events, and all readers.
#[derive(Debug)]
pub struct Hub {
    clock: Clocks,
    incarnation: u32,
    sequence: u64,
    counts: BTreeMap<EventName, u64>,
    kept: Kept,
    readers: Vec<Sink>,
    share: Share,
    refused: u64,
    closed: bool,
}

impl Hub {
    /// An empty hub of the daemon that started at `incarnation` (Unix seconds). Users share the readers.
    #[must_use]
    pub fn new(clock: Clocks, incarnation: u32, share: Share) -> Self {
        Self {
            clock,
            incarnation,
            sequence: 0,
            counts: BTreeMap::new(),
            kept: Kept::default(),
            readers: Vec::new(),
            share,
            refused: 0,
            closed: false,
        }
    }

    /// Publishes an event about a session (`None`: about the daemon) to all readers that may see it
    /// and want it. Never blocks.
    pub fn publish(&mut self, about: Option<Subject>, kind: EventKind) {
        self.sequence += 1;
        let name = kind.name();
        *self.counts.entry(name).or_default() += 1;
        let event = Arc::new(Event {
            sequence: self.sequence,
            at: self.clock.wall(),
            session: about.as_ref().map(|about| about.session),
            name: about.as_ref().map(|about| about.name.clone()),
            kind,
        });
        self.readers.retain(Sink::is_read);
        for reader in &self.readers {
            if reader.interest.covers(about.as_ref(), name) {
                reader.put(&event);
            }
        }
        self.kept.push(about, event);
    }

    /// Adds a reader of `owner`. It gets events from now on, or, with `after`, also the kept events
    /// after that one.
    ///
    /// # Errors
    /// `limit_reached`: too many readers; `shutting_down`: no more events follow.
    pub fn subscribe(
        &mut self,
        owner: Owner,
        interest: Interest,
        after: Option<LastSeen>,
    ) -> Result<Subscription, Problem> {
        if self.closed {
            return Err(Problem::new(
                ProblemCode::ShuttingDown,
                "the daemon is shutting down",
            ));
        }
        self.readers.retain(Sink::is_read);
        if let Err(refused) = self.table().check(owner, 1) {
            self.refused += 1;
            return Err(Problem::new(ProblemCode::LimitReached, refused.to_string()));
        }
        let alike = |reader: &&Sink| reader.interest.grant == interest.grant;
        if interest.grant != Grant::Any && self.readers.iter().filter(alike).count() >= OWN_READERS
        {
            self.refused += 1;
            return Err(Problem::new(
                ProblemCode::LimitReached,
                format!("{OWN_READERS} readers of this user follow the events: end one of them"),
            ));
        }
        let mut replay = VecDeque::new();
        let (mut lost, mut begins) = ((0, 0), self.sequence);
        if let Some(after) = after {
            // Another daemon's numbers do not apply to this one.
            let seen = match after.incarnation {
                Some(other) if other != self.incarnation => 0,
                _ => after.sequence,
            };
            begins = seen;
            let kept = self.kept.after(seen).count() as u64;
            let forgotten = self.sequence.saturating_sub(seen) - kept;
            if forgotten > 0 {
                // Their kinds and sessions are no longer known.
                let oldest = self.kept.after(seen).next();
                let oldest = oldest.map_or(self.sequence + 1, |it| it.1.sequence);
                lost = (forgotten, oldest - 1);
            }
            let missed = self
                .kept
                .after(seen)
                .filter(|(about, event)| interest.covers(about.as_ref(), event.kind.name()));
            replay.extend(missed.map(|(_, event)| Arc::clone(event)));
        }
        let begins = LastSeen {
            incarnation: Some(self.incarnation),
            sequence: begins,
        };
        let clock = self.clock.clone();
        let (sink, subscription) = queue(owner, interest, (begins, clock), replay, lost);
        self.readers.push(sink);
        Ok(subscription)
    }

    fn table(&self) -> Table {
        let mut table = Table::new(self.share);
        let readers = self.readers.iter().filter(|reader| reader.is_read());
        readers.for_each(|it| table.count(it.owner.uid, it.owner.pid));
        table
    }

    /// Use of the places for readers.
    #[must_use]
    pub fn usage(&self) -> Usage {
        Usage {
            refused: self.refused,
            ..self.table().usage()
        }
    }

    /// Current number of readers.
    #[must_use]
    pub fn readers(&self) -> usize {
        self.readers
            .iter()
            .filter(|reader| reader.is_read())
            .count()
    }

    /// Events of a kind published so far.
    #[must_use]
    pub fn count(&self, kind: EventName) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// Closes the hub: every reader gets its waiting events, and then the end of its stream.
    pub fn close(&mut self) {
        self.closed = true;
        self.readers.drain(..).for_each(|reader| reader.close());
    }
}

impl Drop for Hub {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use super::super::queue::MOST;
    use super::*;
    use crate::clock::Still;
    use crate::events::queue::WAITING;
    use onair_api::SessionId;
    use onair_shares::{Percent, Rank};
    use std::collections::BTreeSet;

    const READERS: usize = 8;

    const ROOT: Owner = Owner::root(1);
    const PERCENT: Percent = Percent {
        reserve: 10,
        uid: 80,
        process: 50,
    };

    fn hub_of(readers: usize) -> Hub {
        let share = Share::new("readers of the events", "limits.readers", readers, PERCENT);
        Hub::new(Still::clocks(), 7, share)
    }

    fn everything() -> Interest {
        Interest {
            grant: Grant::Any,
            session: None,
            kinds: BTreeSet::new(),
        }
    }

    fn subject(name: &str, owner: u32) -> Option<Subject> {
        Some(Subject {
            session: SessionId(u64::from(owner)),
            name: name.parse().expect("a name"),
            owner,
            caused_by: owner,
        })
    }

    fn started(generation: u64) -> EventKind {
        EventKind::SessionStarted { generation }
    }

    /// The waiting events: sequence numbers, negative for a number of lost events.
    async fn taken(hub: &mut Hub, reader: &mut Subscription) -> Vec<i64> {
        hub.publish(subject("end-of-what-waits", 0), started(u64::MAX));
        let mut numbers = Vec::new();
        while let Some(event) = reader.next().await {
            match event.kind {
                EventKind::SessionStarted {
                    generation: u64::MAX,
                } => break,
                EventKind::Lost { count } => numbers.push(-i64::try_from(count).expect("few")),
                _ => numbers.push(i64::try_from(event.sequence).expect("few")),
            }
        }
        numbers
    }

    #[tokio::test]
    async fn hub_publishes_then_readers_get_what_they_may_and_want() {
        let mut hub = hub_of(READERS);
        let mut all = hub.subscribe(ROOT, everything(), None).expect("room");
        let own = Interest {
            grant: Grant::OwnedBy(1000),
            ..everything()
        };
        let mut own = hub.subscribe(ROOT, own, None).expect("room");
        hub.publish(subject("cam1", 1000), started(1));
        hub.publish(subject("cam2", 1001), started(1));
        hub.publish(None, EventKind::PortGone { port: "a".into() });
        assert_eq!(taken(&mut hub, &mut all).await, [1, 2, 3]);
        assert_eq!(own.next().await.map(|event| event.sequence), Some(1));
        hub.close();
        assert_eq!(own.next().await, None);
        assert_eq!(all.next().await, None);
        let refused = hub.subscribe(ROOT, everything(), None).expect_err("closed");
        assert_eq!(refused.code, ProblemCode::ShuttingDown);
    }

    #[tokio::test]
    async fn reader_too_slow_then_told_what_it_lost_and_no_other_waits() {
        let mut hub = hub_of(READERS);
        let mut slow = hub.subscribe(ROOT, everything(), None).expect("room");
        for generation in 0..WAITING as u64 + 10 {
            hub.publish(subject("cam1", 0), started(generation));
        }
        let lost = slow.next().await.expect("the loss");
        assert_eq!(
            (lost.sequence, &lost.kind),
            (10, &EventKind::Lost { count: 10 })
        );
        for sequence in 11..=WAITING as u64 + 10 {
            assert_eq!(
                slow.next().await.map(|event| event.sequence),
                Some(sequence)
            );
        }
    }

    #[tokio::test]
    async fn reader_comes_back_then_gets_what_it_missed_or_the_loss() {
        let mut hub = hub_of(READERS);
        let after = |sequence, incarnation| {
            Some(LastSeen {
                incarnation,
                sequence,
            })
        };
        for generation in 1..=3 {
            hub.publish(subject("cam1", 0), started(generation));
        }
        let mut back = hub
            .subscribe(ROOT, everything(), after(1, Some(7)))
            .expect("room");
        assert_eq!(taken(&mut hub, &mut back).await, [2, 3]);
        // Another daemon's id: all kept events of this daemon, including the marker above.
        let mut other = hub
            .subscribe(ROOT, everything(), after(9, Some(6)))
            .expect("room");
        for sequence in 1..=3 {
            assert_eq!(
                other.next().await.map(|event| event.sequence),
                Some(sequence)
            );
        }
        // A sequence number from the future gives no kept events.
        let mut future = hub
            .subscribe(ROOT, everything(), after(u64::MAX - 1, None))
            .expect("room");
        assert_eq!(taken(&mut hub, &mut future).await, [0_i64; 0]);
        for generation in 0..MOST as u64 {
            hub.publish(subject("cam1", 0), started(generation));
        }
        let only = Interest {
            kinds: [EventName::PortGone].into(),
            ..everything()
        };
        let mut late = hub.subscribe(ROOT, only, after(0, None)).expect("room");
        let lost = late.next().await.expect("the loss");
        assert_eq!(
            lost.kind,
            EventKind::Lost {
                count: hub.sequence - MOST as u64
            }
        );
    }

    #[tokio::test]
    async fn noisy_user_or_session_then_events_of_others_are_kept() {
        let mut hub = hub_of(READERS);
        hub.publish(subject("cam1", 1000), started(1));
        hub.publish(None, EventKind::PortGone { port: "a".into() });
        // One user's noise about its own and root's sessions, then root's about one.
        for session in 0..4 * MOST as u64 {
            let about = Subject {
                session: SessionId(session << 32),
                owner: if session % 2 == 0 { 0 } else { 1001 },
                ..subject("noise", 1001).expect("a subject")
            };
            hub.publish(Some(about), started(2));
        }
        for _ in 0..4 * MOST {
            hub.publish(subject("loud", 0), started(3));
        }
        let after = Some(LastSeen {
            incarnation: Some(7),
            sequence: 0,
        });
        let mut back = hub.subscribe(ROOT, everything(), after).expect("room");
        let lost = back.next().await.expect("the loss");
        let forgotten = 7 * MOST as u64 + 2;
        assert_eq!(lost.kind, EventKind::Lost { count: forgotten });
        for sequence in [1, 2] {
            assert_eq!(back.next().await.map(|it| it.sequence), Some(sequence));
        }
        let of = |user| {
            let all = hub.kept.after(0).filter_map(|it| it.0.as_ref());
            all.filter(|it| it.caused_by == user).count()
        };
        assert!(of(1001) > MOST / 3 && of(0) > MOST / 3);
    }

    #[tokio::test]
    async fn readers_at_the_limit_then_one_more_is_refused() {
        let mut hub = hub_of(READERS);
        let mut readers: Vec<_> = (0..READERS)
            .map(|_| hub.subscribe(ROOT, everything(), None).expect("room"))
            .collect();
        let refused = hub.subscribe(ROOT, everything(), None).expect_err("full");
        assert_eq!(refused.code, ProblemCode::LimitReached);
        assert_eq!((hub.usage().used, hub.usage().refused), (READERS, 1));
        readers.pop();
        assert_eq!(hub.readers(), READERS - 1);
        assert!(hub.subscribe(ROOT, everything(), None).is_ok());
    }

    #[tokio::test]
    async fn one_user_takes_all_it_can_then_others_and_root_still_follow() {
        let mut hub = hub_of(32);
        let of = |uid, pid| Owner {
            uid,
            pid,
            rank: Rank::Other,
        };
        let mut readers = Vec::new();
        for pid in [10, 11, 12] {
            while let Ok(reader) = hub.subscribe(of(1000, pid), everything(), None) {
                readers.push(reader);
            }
        }
        assert_eq!(readers.len(), 22, "80 % of what is not reserved");
        let refused = hub.subscribe(of(1000, 13), everything(), None);
        let refused = refused.expect_err("its share is taken").to_string();
        assert!(refused.contains("uid 1000 has 22 of 22"), "{refused}");
        readers.push(
            hub.subscribe(of(1001, 20), everything(), None)
                .expect("room"),
        );
        for uid in 1001..1005 {
            readers.extend(hub.subscribe(of(uid, uid), everything(), None));
        }
        readers.extend((0..4).filter_map(|pid| hub.subscribe(of(9, pid), everything(), None).ok()));
        assert!(hub.subscribe(of(1010, 30), everything(), None).is_err());
        assert!(hub.subscribe(ROOT, everything(), None).is_ok());
    }

    #[tokio::test]
    async fn user_that_sees_its_own_sessions_then_it_has_few_readers() {
        let mut hub = hub_of(READERS);
        let own = |uid| Interest {
            grant: Grant::OwnedBy(uid),
            ..everything()
        };
        let of = |uid| Owner {
            uid,
            pid: 0,
            rank: Rank::Other,
        };
        let mut readers = Vec::new();
        for _ in 0..OWN_READERS {
            readers.push(hub.subscribe(of(1000), own(1000), None).expect("room"));
        }
        assert!(hub.subscribe(of(1000), own(1000), None).is_err());
        assert!(hub.subscribe(of(1001), own(1001), None).is_ok());
    }

    #[tokio::test]
    async fn reader_waits_then_woken_by_the_next_event() {
        let mut hub = hub_of(READERS);
        let mut reader = hub.subscribe(ROOT, everything(), None).expect("room");
        let waits = tokio::spawn(async move { reader.next().await });
        tokio::task::yield_now().await;
        hub.publish(None, EventKind::PortGone { port: "a".into() });
        let event = waits.await.expect("it does not panic").expect("an event");
        assert_eq!(event.kind.name(), EventName::PortGone);
    }
}
