//! Sessions with users, on a clock that only the test moves, and a driver for the core. It checks
//! each effect against what it knows.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use onair_api::{SessionOutcome, SessionState};
use onair_session::shutdown::{
    Remedy, ShutdownCore, ShutdownEffect, ShutdownEvent, ShutdownOrder, ShutdownStep, ToEnd,
};

use super::site::Site;

pub(crate) const MS: Duration = Duration::from_millis(1);
/// How long users may take to leave.
pub(crate) const GRACE: Duration = Duration::from_secs(10);
/// How long the remedy may take.
pub(crate) const QUIESCE: Duration = Duration::from_secs(1);
/// How long receivers go on for senders that finish what was submitted.
pub(crate) const LAST_UNITS: Duration = Duration::from_millis(50);
/// How long after the last stop a session in use delays those of a later class.
pub(crate) const SOON: Duration = Duration::from_millis(100);

/// The daemon as far as the shutdown sees it.
#[derive(Debug)]
pub(crate) struct Plant {
    pub(crate) core: ShutdownCore,
    pub(crate) start: Instant,
    pub(crate) now: Instant,
    pub(crate) sites: BTreeMap<u64, Site>,
    /// Effects, with their time.
    pub(crate) done: Vec<(Duration, ShutdownEffect)>,
    /// Sessions that were destroyed, in order.
    pub(crate) destroyed: Vec<u64>,
    remedy: Remedy,
    /// A daemon takes over.
    hands_over: bool,
    stopped_at: Option<Instant>,
    deadline: Instant,
    pub(crate) is_forced: bool,
    due: BTreeSet<(u8, u64)>,
    /// Time was up, and each session is looked at once more.
    last_look: bool,
    remedied: BTreeSet<u64>,
    /// They were quarantined, and may be gone since.
    set_aside: BTreeSet<u64>,
    /// The remedy has been applied: there is a new deadline.
    is_remedied: bool,
    /// The deadline, if the count that came amid the remedies came after the last one.
    counted: Option<Instant>,
}

impl Plant {
    /// Sessions 1, 2, … The clients were told to leave, and the drain has begun.
    pub(crate) fn new(remedy: Remedy, sites: impl IntoIterator<Item = Site>) -> Self {
        Self::of(remedy, sites, false)
    }

    /// As [`Self::new`], and a daemon takes over.
    pub(crate) fn taken_over(sites: impl IntoIterator<Item = Site>) -> Self {
        Self::of(Remedy::Quarantine, sites, true)
    }

    fn of(remedy: Remedy, sites: impl IntoIterator<Item = Site>, hands_over: bool) -> Self {
        let start = Instant::now();
        let sites: BTreeMap<u64, Site> = (1..).zip(sites).collect();
        let mut core = ShutdownCore::default();
        core.handle(
            ShutdownEvent::Announce(sites.keys().copied().collect()),
            start,
        );
        let sessions = sites.iter().map(|(&id, it)| ToEnd {
            id,
            priority: it.priority,
            last_units: it.last_units,
            state: it.state,
        });
        let order = ShutdownOrder {
            sessions: sessions.collect(),
            deadline: start + GRACE,
            remedy,
            quiesce: QUIESCE,
            hands_over,
        };
        core.handle(ShutdownEvent::Drain(order), start);
        Self {
            core,
            start,
            now: start,
            sites,
            done: Vec::new(),
            destroyed: Vec::new(),
            remedy,
            hands_over,
            stopped_at: None,
            deadline: start + GRACE,
            is_forced: false,
            due: BTreeSet::new(),
            last_look: false,
            remedied: BTreeSet::new(),
            set_aside: BTreeSet::new(),
            is_remedied: false,
            counted: None,
        }
    }

    fn tell(&mut self, event: ShutdownEvent) {
        self.core.handle(event, self.now);
    }

    fn is_up(&self) -> bool {
        let deadline = self.counted.unwrap_or(self.deadline);
        self.is_forced || self.now >= deadline.min(self.deadline)
    }

    /// Takes up to `most` steps. Returns the last one.
    pub(crate) fn turn(&mut self, most: usize) -> ShutdownStep {
        let mut last = ShutdownStep::Wait(None);
        for _ in 0..most {
            if !self.due.is_empty() {
                self.tell(ShutdownEvent::ToExamine);
            }
            if self.is_forced {
                self.tell(ShutdownEvent::Forced);
            }
            last = self.core.next(self.now);
            self.note_deadline(&last);
            match &last {
                ShutdownStep::Do(effect) => self.perform(effect.clone()),
                ShutdownStep::Wait(until) => {
                    let until = until.expect("a shutdown does not wait for ever");
                    assert!(until > self.now, "it would wait without a pause");
                    self.check_wait();
                    break;
                }
                ShutdownStep::Over => {
                    self.check_end();
                    break;
                }
            }
        }
        last
    }

    fn note_deadline(&mut self, step: &ShutdownStep) {
        use ShutdownEffect::{Abandon, Abort, CountUsers, Quarantine};
        let goes_on = matches!(
            step,
            ShutdownStep::Do(Abandon(_) | Abort { .. } | Quarantine(_) | CountUsers)
        );
        if self.remedied.is_empty() || self.is_remedied {
            return;
        }
        if !goes_on {
            self.is_remedied = true;
            self.deadline = self.now + QUIESCE;
        } else if let ShutdownStep::Do(CountUsers) = step {
            self.counted = Some(self.now + QUIESCE);
        }
    }

    /// Takes steps and lets time pass, until it is over. Returns how long that took.
    pub(crate) fn run(&mut self) -> Duration {
        for _ in 0..10_000 {
            match self.turn(100) {
                ShutdownStep::Do(_) => {}
                ShutdownStep::Wait(until) => self.pass_until(until.expect("checked")),
                ShutdownStep::Over => return self.now - self.start,
            }
        }
        panic!("it does not end: {self:#?}");
    }

    /// Lets time pass. A destroy whose time is up is looked at.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.pass_until(self.now + time);
    }

    fn pass_until(&mut self, at: Instant) {
        self.now = at.max(self.now);
        let up = self.sites.iter();
        let up = up.filter(|(_, it)| it.destroy.is_some_and(|(until, _)| until <= self.now));
        let up: Vec<u64> = up.map(|(id, _)| *id).collect();
        up.into_iter().for_each(|id| self.look_soon(id));
    }

    /// A user leaves.
    pub(crate) fn leave(&mut self, id: u64) {
        if let Some(site) = self.sites.get_mut(&id)
            && site.users > 0
        {
            site.users -= 1;
            self.look_soon(id);
        }
    }

    /// A user appears that was not seen.
    pub(crate) fn appear(&mut self, id: u64) {
        if let Some(site) = self.sites.get_mut(&id) {
            site.users += 1;
        }
    }

    /// A sender has finished what was submitted.
    pub(crate) fn finish(&mut self, id: u64) {
        self.tell(ShutdownEvent::HandedBack(id));
    }

    /// A second signal.
    pub(crate) fn force(&mut self) {
        self.is_forced = true;
    }

    /// A client destroys a stopped session, and gives up after `patience`.
    pub(crate) fn destroy(&mut self, id: u64, patience: Duration) {
        if let Some(site) = self.sites.get_mut(&id)
            && site.state == SessionState::Stopped
        {
            site.destroy = Some((self.now + patience, false));
            // Its class does not begin it again before a pause.
            site.has_begun = true;
            self.set(id, SessionState::Draining);
            self.look_soon(id);
        }
    }

    fn set(&mut self, id: u64, state: SessionState) {
        if let Some(site) = self.sites.get_mut(&id) {
            site.state = state;
            site.delays &= state == SessionState::Draining;
            if state == SessionState::Quarantined {
                self.set_aside.insert(id);
            }
            self.tell(ShutdownEvent::State(id, state));
        }
    }

    /// A session ends.
    pub(crate) fn end(&mut self, id: u64) {
        self.sites.remove(&id);
        self.destroyed.push(id);
        self.tell(ShutdownEvent::Ended(id));
    }

    /// Something happens to a session.
    pub(crate) fn look_soon(&mut self, id: u64) {
        let site = self.sites.get(&id);
        self.due.extend(site.map(|it| (it.priority, id)));
    }

    /// What the session's own core does when it is examined.
    fn look(&mut self, id: u64) {
        let Some(site) = self.sites.get_mut(&id) else {
            return;
        };
        let Some((until, waits_for_turn)) = site.destroy else {
            return;
        };
        match (site.users > 0 || site.hangs, waits_for_turn) {
            (false, true) => {
                site.is_ready = true;
                self.tell(ShutdownEvent::Ready(id));
            }
            (false, false) => self.end(id),
            (true, _) if self.now >= until => {
                site.destroy = None;
                self.set(id, SessionState::Stopped);
            }
            (true, _) => {}
        }
    }

    fn perform(&mut self, effect: ShutdownEffect) {
        let at = self.now - self.start;
        self.done.push((at, effect.clone()));
        match effect {
            ShutdownEffect::Announce(id) => {
                let site = self.sites.get_mut(&id).expect("it exists");
                assert!(!std::mem::replace(&mut site.is_told, true), "told twice");
                assert!(self.stopped_at.is_none());
            }
            ShutdownEffect::Stop(id) => {
                let site = &self.sites[&id];
                assert!(site.is_told, "told before a caller gets EAGAIN");
                let mut before = self.sites.range(..).filter(|(_, it)| {
                    it.state == SessionState::Running && it.priority < site.priority
                });
                assert!(before.next().is_none(), "{id} is stopped before its turn");
                self.set(id, SessionState::Stopped);
            }
            ShutdownEffect::EndRecordings => {
                assert!(self.stopped_at.replace(self.now).is_none(), "twice");
                self.all_are_stopped();
            }
            ShutdownEffect::BeginDestroy { id, deadline, .. } => {
                let is_own = deadline == self.deadline || Some(deadline) == self.counted;
                if is_own {
                    (self.deadline, self.counted) = (deadline, None);
                } else {
                    let is_attempt = self.hands_over && deadline < self.deadline;
                    assert!(is_attempt, "one deadline for all");
                }
                self.begin_destroy(id, deadline);
            }
            ShutdownEffect::ExamineAll => {
                assert!(
                    !self.is_forced,
                    "a second signal ends it without the remedy"
                );
                let mut states = self.sites.values().map(|it| it.state);
                let waits = states.any(|it| it == SessionState::Draining);
                let has_time = !self.is_up() && !self.hands_over;
                assert!(!has_time || !waits, "users have time left");
                assert!(!std::mem::replace(&mut self.last_look, true), "once");
                let all: Vec<u64> = self.sites.keys().copied().collect();
                all.into_iter().for_each(|id| self.look_soon(id));
            }
            ShutdownEffect::Examine => {
                // Two at a time.
                for _ in 0..2 {
                    if let Some((_, id)) = self.due.pop_first() {
                        self.look(id);
                    }
                }
            }
            ShutdownEffect::EndInTurn(ids) => self.end_in_turn(&ids),
            ShutdownEffect::Abandon(id) => self.remedy(id, Remedy::Abandon),
            ShutdownEffect::Quarantine(id) => {
                self.remedy(id, Remedy::Quarantine);
                if self.sites[&id].state != SessionState::Draining {
                    self.set(id, SessionState::Quarantined);
                }
            }
            ShutdownEffect::Abort { id, deadline } => {
                self.remedy(id, Remedy::Evict);
                assert_eq!(deadline, self.now + QUIESCE);
                let site = self.sites.get_mut(&id).expect("it exists");
                site.users = 0;
                site.destroy = Some((deadline, true));
                self.set(id, SessionState::Draining);
                self.look_soon(id);
            }
            ShutdownEffect::LookForUsers => {
                assert!(self.hands_over);
                let used = self.sites.iter();
                let used = used.filter(|(_, it)| it.users > 0 && !it.hangs);
                let used = used.map(|(id, _)| *id).collect();
                self.tell(ShutdownEvent::Used(used));
            }
            ShutdownEffect::CountUsers => {}
        }
    }

    fn all_are_stopped(&self) {
        let mut states = self.sites.values().map(|it| it.state);
        assert!(
            states.all(|it| it != SessionState::Running),
            "some still run"
        );
    }

    fn begin_destroy(&mut self, id: u64, deadline: Instant) {
        self.all_are_stopped();
        let stopped_at = self
            .stopped_at
            .expect("all are stopped before the first destroy");
        let own = self.sites[&id].clone();
        assert_eq!(own.state, SessionState::Stopped);
        for (other, it) in &self.sites {
            if it.priority < own.priority {
                let may = it.has_begun || it.state != SessionState::Stopped;
                assert!(
                    may,
                    "{id} begins before {other}, which has the lower number"
                );
                let delays = it.delays && self.now < stopped_at + SOON && !self.is_up();
                assert!(!delays || own.has_begun, "{other} delays {id}");
            }
        }
        let site = self.sites.get_mut(&id).expect("it exists");
        if site.is_blind {
            site.has_begun = true;
            return;
        }
        site.destroy = Some((deadline, true));
        self.set(id, SessionState::Draining);
        let site = self.sites.get_mut(&id).expect("it exists");
        site.delays = !std::mem::replace(&mut site.has_begun, true);
        self.look_soon(id);
    }

    fn end_in_turn(&mut self, ids: &[u64]) {
        assert!(
            self.due.is_empty() || self.is_up(),
            "what happened before is looked at first"
        );
        let ready = self.sites.iter().filter(|(_, it)| it.is_ready);
        let mut ready: Vec<_> = ready.map(|(id, it)| (it.priority, *id)).collect();
        ready.sort_unstable();
        let first: Vec<u64> = ready.iter().take(ids.len()).map(|it| it.1).collect();
        let living = ids.iter().copied().filter(|id| self.sites.contains_key(id));
        assert!(living.eq(first), "by priority");
        for &id in ids {
            let Some(site) = self.sites.get_mut(&id) else {
                continue;
            };
            site.is_ready = false;
            if site.state == SessionState::Draining && site.users == 0 {
                self.end(id);
            }
        }
    }

    fn remedy(&mut self, id: u64, remedy: Remedy) {
        assert_eq!(remedy, self.remedy);
        assert!(self.remedied.insert(id), "at most once");
        assert!(self.last_look, "only what a last look leaves");
        assert!(!self.is_remedied, "once");
    }

    /// It waits only for users, and only as long as they have.
    fn check_wait(&self) {
        // A count amid the remedy comes before the core sets the new deadline, or after it.
        let latest = self
            .counted
            .map_or(self.deadline, |it| it.max(self.deadline));
        let is_up = self.is_forced || self.now >= latest;
        assert!(!is_up, "it waits longer than it may");
        let mut states = self.sites.values().map(|it| it.state);
        let finishes = self.stopped_at.is_none() && self.now < self.start + LAST_UNITS;
        assert!(
            finishes || states.any(|it| it == SessionState::Draining),
            "it waits for nothing"
        );
    }

    fn check_end(&mut self) {
        let outcomes: BTreeMap<u64, SessionOutcome> = self.core.outcomes().collect();
        for (id, outcome) in outcomes {
            let expected = match self.sites.get(&id).map(|it| it.state) {
                _ if self.set_aside.contains(&id) => SessionOutcome::Quarantined,
                Some(_) => SessionOutcome::Abandoned,
                None if self.remedy == Remedy::Evict && self.remedied.contains(&id) => {
                    SessionOutcome::Evicted
                }
                None => SessionOutcome::Destroyed,
            };
            assert_eq!(outcome, expected, "session {id}");
        }
        assert_eq!(
            self.core.next(self.now + GRACE),
            ShutdownStep::Over,
            "for good"
        );
    }
}
