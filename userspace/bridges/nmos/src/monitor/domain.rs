//! One status with its message and its counter.

use std::time::Duration;

use super::{Finding, Level};

/// The status of one domain. Reported is the worst level of the last `delay`: so a worse one is reported at once, and a
/// better one when it has lasted for that time.
#[derive(Debug)]
pub struct Domain {
    found: Finding,
    /// Of each of [`Level::BAD`]: when it was last so bad, and why. What lasts now is in `found`.
    past: [Option<(Duration, Option<String>)>; 2],
    /// Since when it is active, during the time in which it is reported as healthy whatever is found.
    settling: Option<Duration>,
    level: Level,
    message: Option<String>,
    /// The finding that the message is of, also after a reset of the message.
    told: Finding,
    transitions: u64,
}

impl Domain {
    /// Reported from the start as it is.
    pub(super) fn new(found: Finding) -> Self {
        Self {
            past: [const { None }; 2],
            settling: None,
            level: found.level,
            message: found.reason.clone(),
            told: found.clone(),
            transitions: 0,
            found,
        }
    }

    /// The reported level.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Why.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.message.as_deref()
    }

    /// How often the reported status became less healthy.
    #[must_use]
    pub const fn transitions(&self) -> u64 {
        self.transitions
    }

    /// `found` from now on.
    pub(super) fn observe(&mut self, found: Finding, now: Duration, delay: Duration) {
        if !self.is_settling(now, delay) {
            for (past, bad) in self.past.iter_mut().zip(Level::BAD) {
                if self.found.level >= bad {
                    *past = Some((now, self.found.reason.clone()));
                }
            }
        }
        self.found = found;
        self.settle(now, delay);
    }

    /// It is active from now on: healthy at once, and for `delay`.
    pub(super) fn activate(&mut self, now: Duration) {
        self.past = [const { None }; 2];
        self.settling = Some(now);
        self.report(Finding::of(Level::Healthy));
    }

    /// It is inactive at once.
    pub(super) fn deactivate(&mut self) {
        self.past = [const { None }; 2];
        self.settling = None;
        self.found = Finding::of(Level::Neutral);
        self.report(Finding::of(Level::Neutral));
    }

    /// Forgets the message and the transitions.
    pub(super) fn reset(&mut self) {
        (self.message, self.transitions) = (None, 0);
    }

    /// Reports what is due.
    pub(super) fn settle(&mut self, now: Duration, delay: Duration) {
        let lasts = |since: Duration| now.saturating_sub(since) < delay;
        if self.is_settling(now, delay) {
            return;
        }
        let past = self.past.iter().zip(Level::BAD);
        let mut past = past.filter_map(|(it, bad)| Some((it.as_ref()?, bad)));
        let worst = past.find(|((since, _), _)| lasts(*since));
        match worst.filter(|(_, bad)| *bad > self.found.level) {
            Some((_, bad)) if bad == self.level => {}
            Some(((_, reason), level)) => {
                let reason = reason.clone();
                self.report(Finding { level, reason });
            }
            None => self.report(self.found.clone()),
        }
    }

    fn is_settling(&mut self, now: Duration, delay: Duration) -> bool {
        self.settling = self.settling.filter(|it| now.saturating_sub(*it) < delay);
        self.settling.is_some()
    }

    /// When the next report is due, if nothing else is found.
    pub(super) fn due(&self, now: Duration, delay: Duration) -> Option<Duration> {
        let past = self.past.iter().zip(Level::BAD);
        let worse = past.filter(|(_, bad)| *bad > self.found.level);
        let worse = worse.filter_map(|(it, _)| it.as_ref().map(|it| it.0));
        let times = worse.chain(self.settling);
        let ends = times.filter_map(|it| it.checked_add(delay));
        ends.filter(|it| *it > now).min()
    }

    fn report(&mut self, found: Finding) {
        if self.level.is_better_than(found.level) {
            self.transitions = self.transitions.saturating_add(1);
        }
        self.level = found.level;
        if self.told != found {
            self.message.clone_from(&found.reason);
            self.told = found;
        }
    }
}
