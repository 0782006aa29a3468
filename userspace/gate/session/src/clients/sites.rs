//! Whether the probe's sites of each client are armed. Helper threads find out, because reading a
//! client's memory may hang. The verdict uses the last answers, if they are fresh.

use std::time::Instant;

use crate::boundary::effect::{Effect, SiteQuestion};
use crate::boundary::sites::Sites;
use crate::state::Turn;
use crate::state::clients::Clients;
use crate::state::clients::site_looks::{SiteCheck, SiteSchedule};

impl SiteSchedule {
    /// A user was seen: answers to earlier questions do not count.
    pub(crate) fn forget(&mut self, now: Instant) {
        self.since = Some(now);
    }

    /// Pid and sites of each client, for the witness.
    pub(crate) fn known(
        &self,
        clients: &Clients,
        now: Instant,
    ) -> impl Iterator<Item = (u32, Sites)> {
        clients.attached.values().map(move |it| {
            let sites = match it.watched {
                Some(_) => it.sites.known(self.since, now),
                None => Sites::Unwatched,
            };
            (it.who.pid, sites)
        })
    }

    /// Whether a verdict must wait for an answer about some client's sites.
    pub(crate) fn is_awaited(&self, clients: &Clients, now: Instant) -> bool {
        self.known(clients, now)
            .any(|(_, sites)| matches!(sites, Sites::Unknown))
    }

    /// Helper threads look at the sites of those clients without a fresh answer.
    pub(crate) fn look<R>(&mut self, turn: &mut Turn<R>, clients: &mut Clients) {
        let now = turn.now();
        let since = self.since;
        let watched = |it: &&mut crate::Attachment| it.watched.is_some();
        for attachment in clients.attached.values_mut().filter(watched) {
            let rests = attachment.sites.last.as_ref().map(SiteCheck::rests_until);
            let is_known = !matches!(attachment.sites.known(since, now), Sites::Unknown);
            if is_known || attachment.sites.is_asked {
                continue;
            }
            if let Some(until) = rests.filter(|until| *until > now) {
                self.again.by(until);
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
}

impl Clients {
    /// A helper thread has looked at a client's sites.
    pub(crate) fn sites_looked_at(&mut self, number: u64, check: SiteCheck) {
        if let Some(attachment) = self.attached.get_mut(&number) {
            attachment.sites.is_asked = false;
            attachment.sites.last = Some(check);
        }
    }
}
