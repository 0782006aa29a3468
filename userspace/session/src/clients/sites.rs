//! Whether the probe's sites of each client are armed. Helper threads find out, because reading a
//! client's memory may hang. The verdict uses the last answers, if they are fresh.

use std::time::{Duration, Instant};

use crate::boundary::effect::{Effect, SiteQuestion};
use crate::boundary::runtime::Runtime;
use crate::boundary::sites::{SiteFinding, Sites};
use crate::state::clients::site_looks::SiteCheck;
use crate::state::{SessionCore, Turn};

impl<R: Runtime> SessionCore<R> {
    /// A user was seen: answers to earlier questions do not count.
    pub(crate) fn forget_sites(&mut self, turn: &Turn<'_, R>) {
        self.site_schedule.since = Some(turn.now());
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
        let now = turn.now();
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
        (asked_at, cost): (Instant, Duration),
        found: SiteFinding,
    ) {
        if let Some(attachment) = self.clients.attached.get_mut(&number) {
            attachment.sites.is_asked = false;
            attachment.sites.last = Some(SiteCheck {
                asked_at,
                answered_at: turn.now(),
                cost,
                found,
            });
        }
        if !self.is_looking_at_sites() {
            self.answer_verdicts(turn);
            turn.effects.push(Effect::Examine);
        }
    }
}
