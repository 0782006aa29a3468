//! Reports of one receiver or sender.

use std::time::Duration;

use super::counters::Counters;
use super::truth::INTERNAL;
use super::{Area, Count, Domain, Finding, Level, Set, Truth};

/// `statusReportingDelay` until a controller sets another one, in seconds.
const DELAY_S: u32 = 3;

/// The monitor of one receiver or sender: feed it with [`observe`](Self::observe) at each news and with
/// [`settle`](Self::settle) when something is [`due`](Self::due).
#[derive(Debug)]
pub struct Monitor {
    domains: [Domain; 4],
    /// Number of the last activation, while it is active.
    active: Option<u64>,
    source: Option<String>,
    counters: Counters,
    delay_s: u32,
    /// `autoResetCountersAndMessages`.
    resets_itself: bool,
}

impl Monitor {
    /// Reports `truth` from the start as it is: of a session that was active before there is no activation.
    #[must_use]
    pub fn new(truth: Truth) -> Self {
        Self {
            domains: Area::ALL.map(|area| Domain::new(truth.finding(area).clone())),
            active: truth.activations,
            source: truth.source,
            counters: Counters::new(truth.counts),
            delay_s: DELAY_S,
            resets_itself: true,
        }
    }

    /// `truth` from now on.
    pub fn observe(&mut self, truth: Truth, now: Duration) {
        self.counters.observe(truth.counts.clone());
        let before = std::mem::replace(&mut self.active, truth.activations);
        let is_activated = truth.activations.is_some() && truth.activations != before;
        if is_activated && self.resets_itself {
            self.reset();
        }
        let delay = self.delay();
        self.follow_source(&truth, now);
        for area in Area::ALL {
            let domain = &mut self.domains[area as usize];
            let found = truth.finding(area).clone();
            match area.is_inactive_at_rest() {
                true if self.active.is_none() => domain.deactivate(),
                true if is_activated => {
                    domain.activate(now);
                    domain.observe(found, now, delay);
                }
                _ => domain.observe(found, now, delay),
            }
        }
    }

    /// Another source is partly healthy for a moment, and so for as long as a better status is delayed.
    fn follow_source(&mut self, truth: &Truth, now: Duration) {
        let before = std::mem::replace(&mut self.source, truth.source.clone());
        let (Some(before), Some(source)) = (before, &truth.source) else {
            return;
        };
        if before != *source && before != INTERNAL && source != INTERNAL {
            let reason = format!("follows {source}, before that {before}");
            let delay = self.delay();
            let found = Finding::because(Level::Partial, reason);
            self.domains[Area::Synchronization as usize].observe(found, now, delay);
        }
    }

    /// Reports what is due.
    pub fn settle(&mut self, now: Duration) {
        let delay = self.delay();
        self.domains.iter_mut().for_each(|it| it.settle(now, delay));
    }

    /// When [`settle`](Self::settle) has something to report.
    #[must_use]
    pub fn due(&self, now: Duration) -> Option<Duration> {
        let delay = self.delay();
        let all = self.domains.iter();
        all.filter_map(|it| it.due(now, delay)).min()
    }

    /// `ResetCountersAndMessages`.
    pub fn reset(&mut self) {
        self.domains.iter_mut().for_each(Domain::reset);
        self.counters.reset();
    }

    /// One domain.
    #[must_use]
    pub const fn domain(&self, area: Area) -> &Domain {
        &self.domains[area as usize]
    }

    /// `overallStatus`: the worst of all domains.
    #[must_use]
    pub fn overall(&self) -> Level {
        let worst = self.domains.iter().map(Domain::level).max();
        match self.active {
            None => Level::Neutral,
            Some(_) => worst.unwrap_or(Level::Healthy).max(Level::Healthy),
        }
    }

    /// Why: the messages of the domains that are as bad as all together.
    #[must_use]
    pub fn overall_message(&self) -> Option<String> {
        let overall = self.overall();
        let bad = self.domains.iter().filter(|it| it.level() == overall);
        let mut reasons: Vec<_> = bad.filter_map(Domain::message).collect();
        reasons.dedup();
        (overall > Level::Healthy && !reasons.is_empty()).then(|| reasons.join("; "))
    }

    /// `synchronizationSourceId`.
    #[must_use]
    pub fn source(&self) -> Option<&str> {
        self.source.as_deref()
    }

    /// The counts of a set since the last reset.
    pub fn counts(&self, set: Set) -> impl Iterator<Item = Count> {
        self.counters.of(set)
    }

    /// `statusReportingDelay` in seconds.
    #[must_use]
    pub const fn delay_s(&self) -> u32 {
        self.delay_s
    }

    /// Sets the delay, which also applies to the pending status.
    pub fn set_delay_s(&mut self, delay_s: u32, now: Duration) {
        self.delay_s = delay_s;
        self.settle(now);
    }

    /// `autoResetCountersAndMessages`: whether an activation resets.
    #[must_use]
    pub const fn resets_itself(&self) -> bool {
        self.resets_itself
    }

    /// Sets it.
    pub const fn set_resets_itself(&mut self, resets_itself: bool) {
        self.resets_itself = resets_itself;
    }

    const fn delay(&self) -> Duration {
        Duration::from_secs(self.delay_s as u64)
    }
}
