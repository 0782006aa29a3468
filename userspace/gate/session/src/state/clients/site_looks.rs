//! The last look at the probe's sites in one client's memory, and when the next one is due.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::boundary::sites::{SiteFinding, Sites};
use crate::state::clients::thread_looks::MOST;
use crate::state::rescan::Due;

/// An older answer does not count, but for [`REST`].
const FRESH: Duration = Duration::from_millis(100);
/// After a look at a client's memory, it is left alone for this many times the look's duration, [`MOST`] of it. *Armed*
/// counts for so many times what the answer took: where looks are slow, or clients many and each waits for its turn, no
/// moment would come otherwise at which all answers count. *Blind* counts until the client may be looked at again: what
/// took long because the host was busy says nothing for ten times as long.
const REST: u32 = 10;

/// State of the sites of one attachment.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SiteLooks {
    pub(crate) is_asked: bool,
    pub(crate) last: Option<SiteCheck>,
}

/// A look, and its result.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SiteCheck {
    #[serde(with = "crate::clock::at")]
    pub(crate) asked_at: Instant,
    #[serde(with = "crate::clock::at")]
    pub(crate) answered_at: Instant,
    /// Duration of the look.
    pub(crate) cost: Duration,
    pub(crate) found: SiteFinding,
}

impl SiteCheck {
    pub(crate) fn rests_until(&self) -> Instant {
        self.answered_at + self.cost.min(MOST) * REST
    }

    fn counts_until(&self) -> Instant {
        self.answered_at + (self.answered_at - self.asked_at) * REST
    }
}

impl SiteLooks {
    /// State of the sites for a verdict at `now`: an answer to a question asked after `since`, until the sites may be
    /// looked at again.
    pub(crate) fn known(&self, since: Option<Instant>, now: Instant) -> Sites {
        let Some(look) = &self.last else {
            return Sites::Unknown;
        };
        let lasts = now < look.counts_until();
        let counts = since.is_none_or(|since| look.asked_at >= since);
        match &look.found {
            SiteFinding::Armed if counts && (lasts || now <= look.asked_at + FRESH) => Sites::Armed,
            SiteFinding::Unlisted { users, reason } if counts && lasts => Sites::Unlisted {
                users: *users,
                reason: reason.clone(),
            },
            SiteFinding::Blind(reason) if now < look.rests_until() => Sites::Blind(reason.clone()),
            _ => Sites::Unknown,
        }
    }
}

/// When sites are looked at.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct SiteSchedule {
    /// When a user was last seen: looks before that prove nothing.
    #[serde(with = "crate::clock::maybe_at")]
    pub(crate) since: Option<Instant>,
    /// When sites are looked at again that could not be looked at yet.
    pub(crate) again: Due,
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const LOOK: Duration = Duration::from_millis(60);

    fn looked(asked_at: Instant, took: Duration, found: SiteFinding) -> SiteLooks {
        let last = SiteCheck {
            asked_at,
            answered_at: asked_at + took,
            cost: took.min(LOOK),
            found,
        };
        SiteLooks {
            is_asked: false,
            last: Some(last),
        }
    }

    #[test]
    fn armed_asked_too_early_or_long_ago_then_not_known() {
        let at = Instant::now();
        let looks = looked(at, MS, SiteFinding::Armed);
        assert_eq!(looks.known(None, at + MS), Sites::Armed);
        assert_eq!(looks.known(Some(at), at + MS), Sites::Armed);
        assert_eq!(looks.known(Some(at + MS), at + MS), Sites::Unknown);
        assert_eq!(looks.known(Some(at), at + FRESH), Sites::Armed);
        assert_eq!(looks.known(Some(at), at + FRESH + MS), Sites::Unknown);
        assert_eq!(SiteLooks::default().known(None, at), Sites::Unknown);
    }

    #[test]
    fn blind_asked_too_early_then_counts_until_asked_again() {
        let at = Instant::now();
        let looks = looked(at, 3 * MS, SiteFinding::Blind("b".into()));
        let blind = Sites::Blind("b".into());
        assert_eq!(looks.known(Some(at + MS), at + 32 * MS), blind);
        assert_eq!(looks.known(Some(at + MS), at + 33 * MS), Sites::Unknown);
    }

    #[test]
    fn blind_because_the_host_was_busy_then_soon_asked_again() {
        let at = Instant::now();
        let mut looks = looked(at, 3000 * MS, SiteFinding::Blind("b".into()));
        looks.last.as_mut().expect("it was").cost = 3000 * MS;
        assert_eq!(looks.known(None, at + 3999 * MS), Sites::Blind("b".into()));
        assert_eq!(looks.known(None, at + 4000 * MS), Sites::Unknown);
    }

    #[test]
    fn look_waited_for_its_turn_then_asked_again_after_its_own_rest() {
        let at = Instant::now();
        let looks = looked(at, 10 * LOOK, SiteFinding::Armed);
        let last = looks.last.expect("it was");
        assert_eq!(last.rests_until(), at + 20 * LOOK);
    }

    #[test]
    fn looks_slow_and_in_turn_then_at_some_moment_all_are_known() {
        for clients in [1, 2, 12, 300] {
            let start = Instant::now();
            let mut now = start;
            let mut looks: Vec<_> = (0..clients).map(|_| SiteLooks::default()).collect();
            let mut asked = VecDeque::new();
            let known = |it: &SiteLooks, now| it.known(Some(start), now) == Sites::Armed;
            while !looks.iter().all(|it| known(it, now)) {
                for (client, look) in looks.iter_mut().enumerate() {
                    let rests = look.last.as_ref().is_some_and(|it| it.rests_until() > now);
                    if !known(look, now) && !look.is_asked && !rests {
                        look.is_asked = true;
                        asked.push_back((client, now));
                    }
                }
                now += LOOK;
                if let Some((client, asked_at)) = asked.pop_front() {
                    looks[client] = looked(asked_at, now - asked_at, SiteFinding::Armed);
                }
                assert!(now < start + LOOK * clients * 3, "{clients} clients");
            }
        }
    }
}
