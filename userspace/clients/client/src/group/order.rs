//! Puts the units of several members in the order of their times. It reads no clock and waits for nothing.

use std::collections::VecDeque;

/// A unit that is earlier than the last one by more than this follows another clock: the order begins anew.
const OTHER_CLOCK_NS: u64 = 10_000_000_000;

/// The units that wait, of each member.
#[derive(Debug)]
pub(super) struct Order<U> {
    members: Vec<Line<U>>,
    /// How long a unit waits for an earlier one of another member.
    patience_ns: u64,
    /// Time of the last unit that was given.
    given_ns: Option<u64>,
}

#[derive(Debug)]
struct Line<U> {
    waiting: VecDeque<Waiting<U>>,
    /// Its next unit is not earlier than this, by its last one.
    next_ns: Option<u64>,
    /// The others do not wait for it.
    is_missing: bool,
}

#[derive(Debug)]
struct Waiting<U> {
    media_ns: Option<u64>,
    came_ns: u64,
    unit: U,
}

/// The next unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum NextUnit<U> {
    /// The next unit.
    Unit(U),
    /// The next unit is earlier than one that was given.
    Late(U),
    /// The patience with this member is over: [`Order::give_up`] goes on without it.
    Overdue(usize),
    /// Until this time no unit follows without another one; `None`: however long that takes.
    Wait(Option<u64>),
}

impl<U> Order<U> {
    pub(super) fn new(members: usize, patience_ns: u64) -> Self {
        let line = || Line {
            waiting: VecDeque::new(),
            next_ns: None,
            is_missing: false,
        };
        Self {
            members: std::iter::repeat_with(line).take(members).collect(),
            patience_ns,
            given_ns: None,
        }
    }

    pub(super) const fn set_patience(&mut self, ns: u64) {
        self.patience_ns = ns;
    }

    /// A unit came from a member. `media_ns`: its time, if it has one; `unit_ns`: how long it lasts.
    pub(super) fn push(
        &mut self,
        member: usize,
        (media_ns, unit_ns): (Option<u64>, u64),
        came_ns: u64,
        unit: U,
    ) {
        let line = &mut self.members[member];
        line.is_missing = false;
        // Half a unit: timestamps are rounded. The others do not wait for units without a time.
        line.next_ns = Some(media_ns.map_or(u64::MAX, |it| it.saturating_add(unit_ns / 2)));
        line.waiting.push_back(Waiting {
            media_ns,
            came_ns,
            unit,
        });
    }

    /// Goes on without a member until its next unit comes. False: it did already.
    pub(super) fn give_up(&mut self, member: usize) -> bool {
        let line = &mut self.members[member];
        line.waiting.is_empty() && !std::mem::replace(&mut line.is_missing, true)
    }

    /// The next unit at the time `now_ns` of the clock of `came_ns`.
    pub(super) fn next(&mut self, now_ns: u64) -> NextUnit<U> {
        let fronts = self.members.iter().enumerate();
        let fronts = fronts.filter_map(|(at, line)| Some((line.waiting.front()?, at)));
        // One without a time has no place in the order: it waits for none.
        let first = fronts.min_by_key(|(front, at)| (front.media_ns, *at));
        let Some((front, member)) = first else {
            return NextUnit::Wait(None);
        };
        if let Some(media_ns) = front.media_ns
            && let Some(awaited) = self.awaited_before(media_ns)
        {
            let until = front.came_ns.saturating_add(self.patience_ns);
            return match now_ns < until {
                true => NextUnit::Wait(Some(until)),
                false => NextUnit::Overdue(awaited),
            };
        }
        self.give(member)
    }

    /// A member that may have an earlier unit than one of this time.
    fn awaited_before(&self, media_ns: u64) -> Option<usize> {
        self.members.iter().position(|line| {
            let may_be_earlier = line.next_ns.is_none_or(|next| next < media_ns);
            line.waiting.is_empty() && !line.is_missing && may_be_earlier
        })
    }

    fn give(&mut self, member: usize) -> NextUnit<U> {
        let Some(Waiting { media_ns, unit, .. }) = self.members[member].waiting.pop_front() else {
            return NextUnit::Wait(None);
        };
        let late_by = match (self.given_ns, media_ns) {
            (Some(given), Some(own)) => given.saturating_sub(own),
            _ => 0,
        };
        if (1..=OTHER_CLOCK_NS).contains(&late_by) {
            return NextUnit::Late(unit);
        }
        self.given_ns = media_ns.or(self.given_ns);
        NextUnit::Unit(unit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;
    const PICTURE: usize = 0;
    const SOUND: usize = 1;

    /// Pictures of 20 ms and sound of 10 ms, with a patience of 100 ms.
    struct Programme(Order<(usize, u64)>);

    impl Programme {
        fn new() -> Self {
            Self(Order::new(2, 100 * MS))
        }

        /// A unit of the time `at_ms` comes at that time.
        fn push(&mut self, member: usize, at_ms: u64) {
            let unit_ns = if member == PICTURE { 20 } else { 10 } * MS;
            let at_ns = at_ms * MS;
            self.0
                .push(member, (Some(at_ns), unit_ns), at_ns, (member, at_ms));
        }

        /// Takes units until one waits.
        fn all(&mut self, now_ms: u64) -> Vec<(usize, u64)> {
            let mut all = Vec::new();
            while let NextUnit::Unit(unit) = self.0.next(now_ms * MS) {
                all.push(unit);
            }
            all
        }
    }

    #[test]
    fn units_of_two_members_then_by_their_times() {
        let mut it = Programme::new();
        it.push(SOUND, 0);
        it.push(SOUND, 10);
        assert_eq!(it.all(10), []);
        it.push(PICTURE, 0);
        // The sound of 10 ms does not wait: the next picture is one of 20 ms.
        assert_eq!(it.all(20), [(PICTURE, 0), (SOUND, 0), (SOUND, 10)]);
        it.push(SOUND, 20);
        assert_eq!(it.0.next(20 * MS), NextUnit::Wait(Some(120 * MS)));
        it.push(PICTURE, 20);
        it.push(PICTURE, 40);
        assert_eq!(it.all(40), [(PICTURE, 20), (SOUND, 20)]);
    }

    #[test]
    fn member_silent_then_the_others_go_on_after_the_patience() {
        let mut it = Programme::new();
        it.push(SOUND, 0);
        it.push(SOUND, 10);
        assert_eq!(it.0.next(99 * MS), NextUnit::Wait(Some(100 * MS)));
        assert_eq!(it.0.next(100 * MS), NextUnit::Overdue(PICTURE));
        assert!(it.0.give_up(PICTURE) && !it.0.give_up(PICTURE));
        assert_eq!(it.all(100), [(SOUND, 0), (SOUND, 10)]);
        it.push(SOUND, 20);
        assert_eq!(it.all(101), [(SOUND, 20)]);
        // It comes back: what it has missed is late, and then the others wait for it again.
        it.push(PICTURE, 0);
        it.push(PICTURE, 20);
        assert_eq!(it.0.next(102 * MS), NextUnit::Late((PICTURE, 0)));
        assert_eq!(it.all(102), [(PICTURE, 20)]);
        it.push(SOUND, 30);
        it.push(SOUND, 40);
        assert_eq!(it.all(103), [(SOUND, 30)]);
        assert!(!it.0.give_up(SOUND));
    }

    #[test]
    fn units_of_no_time_or_of_another_clock_then_given_at_once() {
        let mut it = Programme::new();
        it.push(PICTURE, 20_000);
        it.push(SOUND, 20_000);
        assert_eq!(it.all(20_000), [(PICTURE, 20_000), (SOUND, 20_000)]);
        it.0.push(SOUND, (None, 10 * MS), 0, (SOUND, 7));
        assert_eq!(it.0.next(0), NextUnit::Unit((SOUND, 7)));
        it.push(SOUND, 10);
        it.push(PICTURE, 0);
        assert_eq!(it.all(20_000), [(PICTURE, 0), (SOUND, 10)]);
    }
}
