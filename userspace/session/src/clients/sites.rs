//! Whether the probe's sites of each client are armed. Helper threads find out, because reading a
//! client's memory may hang. The verdict uses the last answers, if they are fresh.

use std::time::{Duration, Instant};

use crate::boundary::effect::{Effect, SiteQuestion};
use crate::boundary::runtime::Runtime;
use crate::ending::rescan::Due;
use crate::session_core::{SessionCore, Turn};

/// What is known of the probe's sites in one client's process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sites {
    /// Each site has the kernel's breakpoint, and no thread sleeps on the session's event counts.
    Armed,
    /// Threads sleep on the session's event counts, but the probe does not list them.
    Unlisted {
        /// Number of these threads.
        users: u64,
        /// A description for the reading.
        reason: String,
    },
    /// The probe does not see the process, with the reason.
    Blind(String),
    /// No fresh answer: a helper thread is looking.
    Unknown,
    /// The probe does not watch the process.
    Unwatched,
}

/// Result of an inspection of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SiteFinding {
    /// The sites are armed, and no thread of the client sleeps on the session's event counts.
    Armed,
    /// Threads sleep there, and the probe lists them: they came or left since.
    Asleep,
    /// Threads sleep there that the probe does not list.
    Unlisted {
        /// Number of these threads.
        users: u64,
        /// The reason as text.
        reason: String,
    },
    /// The probe does not see the client. The reason.
    Blind(String),
}

/// An older answer does not count, unless the client may not be looked at again yet: where looks are slow, or clients
/// many, no moment would come otherwise at which all answers count.
const FRESH: Duration = Duration::from_millis(100);
/// After a look at a client's memory, it is left alone for this many times the look's duration.
const REST: u32 = 10;

/// What is known of the sites of one attachment.
#[derive(Debug, Default)]
pub(crate) struct SiteLooks {
    is_asked: bool,
    last: Option<SiteCheck>,
}

#[derive(Debug)]
struct SiteCheck {
    asked_at: Instant,
    answered_at: Instant,
    found: SiteFinding,
}

impl SiteCheck {
    fn rests_until(&self) -> Instant {
        self.answered_at + (self.answered_at - self.asked_at) * REST
    }
}

impl SiteLooks {
    /// What a verdict at `now` may use: an answer to a question asked after `since`, until the sites may be looked at
    /// again.
    fn known(&self, since: Option<Instant>, now: Instant) -> Sites {
        let Some(look) = &self.last else {
            return Sites::Unknown;
        };
        let rests = now < look.rests_until();
        let counts = since.is_none_or(|since| look.asked_at >= since);
        match &look.found {
            SiteFinding::Armed if counts && (rests || now <= look.asked_at + FRESH) => Sites::Armed,
            SiteFinding::Unlisted { users, reason } if counts && rests => Sites::Unlisted {
                users: *users,
                reason: reason.clone(),
            },
            SiteFinding::Blind(reason) if rests => Sites::Blind(reason.clone()),
            _ => Sites::Unknown,
        }
    }
}

/// When sites are looked at.
#[derive(Debug, Default)]
pub(crate) struct SiteSchedule {
    /// When a user was last seen: looks before that prove nothing.
    pub(crate) since: Option<Instant>,
    /// When sites are looked at again that could not be looked at yet.
    pub(crate) again: Due,
}

impl<R: Runtime> SessionCore<R> {
    /// A user was seen: answers to earlier questions do not count.
    pub(crate) fn forget_sites(&mut self, turn: &Turn<'_, R>) {
        self.site_schedule.since = Some(turn.now().instant);
    }

    /// Pid and sites of each client, for the witness.
    pub(crate) fn sites(&self, now: Instant) -> impl Iterator<Item = (u32, Sites)> {
        self.clients.attached.values().map(move |it| {
            let sites = match it.watched {
                Some(_) => it.sites.known(self.site_schedule.since, now),
                None => Sites::Unwatched,
            };
            (it.who.pid, sites)
        })
    }

    /// Whether a verdict must wait for an answer about some client's sites.
    pub(crate) fn awaits_sites(&self, now: Instant) -> bool {
        self.sites(now)
            .any(|(_, sites)| matches!(sites, Sites::Unknown))
    }

    /// Helper threads look at the sites of those clients without a fresh answer.
    pub(crate) fn look_at_sites(&mut self, turn: &mut Turn<'_, R>) {
        let now = turn.now().instant;
        let since = self.site_schedule.since;
        let watched = |it: &&mut crate::Attachment| it.watched.is_some();
        for attachment in self.clients.attached.values_mut().filter(watched) {
            let rests = attachment.sites.last.as_ref().map(SiteCheck::rests_until);
            let is_known = !matches!(attachment.sites.known(since, now), Sites::Unknown);
            if is_known || attachment.sites.is_asked {
                continue;
            }
            if let Some(until) = rests.filter(|until| *until > now) {
                self.site_schedule.again.by(until);
                continue;
            }
            attachment.sites.is_asked = true;
            turn.effects.push(Effect::LookAtSites(SiteQuestion {
                attachment: attachment.number,
                pid: attachment.who.pid,
                asked_at: now,
            }));
        }
    }

    /// Whether helper threads are looking at sites.
    #[must_use]
    pub fn is_looking_at_sites(&self) -> bool {
        self.clients.attached.values().any(|it| it.sites.is_asked)
    }

    /// A helper thread has looked at a client's sites. The last of them lets the drain go on.
    pub(crate) fn sites_looked_at(
        &mut self,
        turn: &mut Turn<'_, R>,
        number: u64,
        asked_at: Instant,
        found: SiteFinding,
    ) {
        if let Some(attachment) = self.clients.attached.get_mut(&number) {
            attachment.sites.is_asked = false;
            attachment.sites.last = Some(SiteCheck {
                asked_at,
                answered_at: turn.now().instant,
                found,
            });
        }
        if !self.is_looking_at_sites() {
            self.answer_verdicts(turn);
            turn.effects.push(Effect::Examine);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn looked(asked_at: Instant, took: Duration, found: SiteFinding) -> SiteLooks {
        let last = SiteCheck {
            asked_at,
            answered_at: asked_at + took,
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
    fn looks_slow_and_in_turn_then_at_some_moment_all_are_known() {
        const LOOK: Duration = Duration::from_millis(60);
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
