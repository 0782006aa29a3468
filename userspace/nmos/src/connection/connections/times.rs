//! Times that activations wait for.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use onair_api::SessionName;

use crate::tai::Tai;

/// Clocks are set, and activations cancelled: a wait looks again so often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// Whose activations are scheduled for a time: at most one of each session. One wait is for all of a time;
/// it ends soon after the last one is cancelled.
#[derive(Debug, Default)]
pub(super) struct Times(Mutex<BTreeMap<Tai, Vec<SessionName>>>);

impl Times {
    fn all(&self) -> MutexGuard<'_, BTreeMap<Tai, Vec<SessionName>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a session to those of this time; true if nobody [waits](Self::wait) for it yet.
    pub(super) fn add(&self, name: SessionName, at: Tai) -> bool {
        let mut all = self.all();
        let nobody_waits = !all.contains_key(&at);
        all.entry(at).or_default().push(name);
        nobody_waits
    }

    /// The session waits for this time no longer.
    pub(super) fn cancel(&self, name: &SessionName, at: Tai) {
        if let Some(names) = self.all().get_mut(&at) {
            names.retain(|it| it != name);
        }
    }

    /// Waits until `lead` before the time by the clock `now`, and takes its sessions out, in the order of their names. It
    /// ends early once there are none.
    pub(super) async fn wait(
        &self,
        at: Tai,
        lead: Duration,
        now: impl Fn() -> Tai,
    ) -> Vec<SessionName> {
        loop {
            let left = at.before(lead).from(now());
            if let Some(names) = self.take_if(at, |names| left.is_zero() || names.is_empty()) {
                return names;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }

    fn take_if(
        &self,
        at: Tai,
        is_over: impl FnOnce(&[SessionName]) -> bool,
    ) -> Option<Vec<SessionName>> {
        let mut all = self.all();
        if !all.get(&at).is_none_or(|names| is_over(names)) {
            return None;
        }
        let mut names = all.remove(&at).unwrap_or_default();
        names.sort();
        names.dedup();
        Some(names)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SessionName {
        text.parse().unwrap()
    }

    #[tokio::test]
    async fn times_of_several_then_together_and_cancelled_ones_end() {
        let began = tokio::time::Instant::now();
        let now = || Tai::at(Duration::from_secs(100) + began.elapsed());
        let (soon, far) = (
            Tai::at(Duration::from_millis(100_050)),
            Tai::at(Duration::MAX),
        );
        let times = Times::default();
        assert!(times.add(name("b"), soon));
        assert!(!times.add(name("a"), soon));
        assert!(times.add(name("c"), far));
        times.cancel(&name("c"), far);
        // Whoever waits is still there.
        assert!(!times.add(name("c"), far));
        times.cancel(&name("c"), far);
        assert!(times.wait(far, Duration::ZERO, now).await.is_empty());
        let lead = Duration::from_millis(30);
        assert_eq!(times.wait(soon, lead, now).await, [name("a"), name("b")]);
        assert!(now() >= soon.before(lead));
        assert!(times.all().is_empty());
    }
}
