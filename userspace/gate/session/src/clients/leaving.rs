//! How a client leaves a session, by itself or by dying.

use std::time::Instant;

use onair_api::{Problem, ProblemCode, ReconciledCause};
use onair_ipc::lender::Lender;
use onair_ipc::memory::AttachmentState;
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, Named, PollerCommand, SiteQuestion};
use crate::boundary::runtime::Runtime;
use crate::boundary::sites::Sites;
use crate::boundary::ticket::{Answer, Ticket};
use crate::lifecycle::RuntimeHolder;
use crate::state::Turn;
use crate::state::clients::Clients;
use crate::state::clients::attachment::{Attachment, Leaving};
use crate::state::clients::site_looks::{SiteCheck, SiteSchedule};

/// Disconnected processes examined in one step, 0.5 ms each at most.
const SWEEP: usize = 4;

impl Clients {
    /// The client gives its attachment back. Refused while its callers are inside or its frames are
    /// on loan.
    pub(crate) fn detach<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        number: u64,
        request: Ticket<()>,
    ) {
        let Some(attachment) = self.attached.get(&number) else {
            let problem = Problem::new(ProblemCode::StaleSession, "the attachment was evicted");
            let refused = Answer::Detached(request, Err(problem));
            return turn.effects.answer([refused]);
        };
        let memory = attachment.memory.clone();
        memory.stop();
        turn.effects.wake(&memory);
        turn.effects.push(Effect::WakeNow);
        if turn.view.is_in_use_now(&memory) {
            if turn.life.lifecycle.is_running() {
                memory.start();
            }
            let problem = Problem::new(
                ProblemCode::Busy,
                "callers are inside, or frames are on loan: let the calls return and put the frames back",
            );
            let named = Named::Busy(number, request, Box::new(problem));
            turn.effects.push(Effect::NameUsers(named));
            return;
        }
        self.leave(turn, number, Leaving::Detach(request));
    }

    /// The connection of an attachment closed. Its process may live on (fork, exec, a closed
    /// descriptor), so its frames are not taken back yet; it admits no further calls.
    pub(crate) fn hung_up<R: Runtime>(&mut self, turn: &mut Turn<R>, number: u64) {
        if let Some(attachment) = self.attached.get_mut(&number) {
            attachment.disconnected = true;
            attachment.memory.stop();
            turn.effects.wake(&attachment.memory);
            turn.life.rescan.begin(turn.now());
        } else if let Some(evicted_client) = self.evicted.list.get_mut(&number) {
            evicted_client.attachment.disconnected = true;
        }
    }

    /// The process of an attachment is dead: none of its threads runs.
    pub(crate) fn process_ended<R: Runtime>(&mut self, turn: &mut Turn<R>, number: u64) {
        if self.evicted.died(turn, number) {
            return;
        }
        self.leave(turn, number, Leaving::Ended(ReconciledCause::ProcessDied));
    }

    pub(crate) fn leave<R: Runtime>(&mut self, turn: &mut Turn<R>, number: u64, how: Leaving) {
        let effects = &mut turn.effects;
        if !self.begin_leaving(effects, number, how) {
            return;
        }
        match turn.life.lifecycle.place() {
            RuntimeHolder::Here(_) => self.settle_leaving(turn),
            RuntimeHolder::Poller => turn.effects.poller(PollerCommand::Detach(number)),
            // It comes back with the runtime.
            RuntimeHolder::Returning => {}
        }
    }

    /// A poller handed one attachment's lender back.
    pub(crate) fn lender_back<R: Runtime>(&mut self, turn: &mut Turn<R>, lender: Lender) {
        self.end_leaving(turn, lender);
        if turn.life.lifecycle.runtime().is_some() {
            self.settle_leaving(turn);
        }
    }

    /// Settles the leaving attachments whose lenders are here.
    pub(crate) fn settle_leaving<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        let numbers: Vec<u64> = self.leaving.keys().copied().collect();
        for number in numbers {
            let Some(runtime) = turn.life.lifecycle.runtime_mut() else {
                return;
            };
            if let Some((lender, _)) = runtime.detach(number) {
                self.end_leaving(turn, *lender);
            }
        }
    }

    fn end_leaving<R: Runtime>(&mut self, turn: &mut Turn<R>, mut lender: Lender) {
        let number = lender.attachment();
        let (Some(attachment), Some(how)) =
            (self.attached.remove(&number), self.leaving.remove(&number))
        else {
            return;
        };
        if !mutant!("leave: what was given back is not settled first") {
            lender.settle(|_| ());
        }
        let totals = turn.view.totals(std::iter::once(&lender));
        turn.life.audit.ended(totals);
        let slots = turn.view.counting_slots(&attachment.memory);
        // No thread of a dead process runs, and a client that detached reported that it holds
        // nothing.
        let frames = turn.view.credit_process(&mut lender);
        attachment.close(AttachmentState::Gone, &mut turn.effects);
        let cause = match how {
            Leaving::Detach(request) => {
                turn.effects.answer([Answer::Detached(request, Ok(()))]);
                ReconciledCause::Detached
            }
            Leaving::Ended(cause) => cause,
        };
        turn.part(attachment, cause, (frames, slots));
    }

    /// If the ledgers are here, takes back frames that no client took, and credits those given
    /// back.
    pub(crate) fn settle<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        if let Some(runtime) = turn.life.lifecycle.runtime_mut() {
            self.violators.extend(turn.view.settle(&mut **runtime));
        }
    }

    /// Ends the attachments of processes that released the memory without dying (exec, unmap), a
    /// few at a time.
    pub(crate) fn sweep_disconnected<R: Runtime>(&mut self, turn: &mut Turn<R>) {
        let is_apart = |it: &&Attachment| {
            (it.disconnected || turn.life.is_quarantined()) && turn.view.is_released(&it.memory)
        };
        let mut apart: Vec<&Attachment> = self.attached.values().filter(is_apart).collect();
        let next = apart.partition_point(|it| it.number <= self.swept);
        apart.rotate_left(next);
        apart.truncate(SWEEP);
        let swept = apart.last().map_or(0, |it| it.number);
        // A process that dies unmaps its memory first: its pidfd settles it.
        apart.retain(|it| !turn.view.is_process_ending(it.who.pid));
        let gone: Vec<u64> = apart.into_iter().map(|it| it.number).collect();
        self.swept = swept;
        for number in gone {
            self.leave(turn, number, Leaving::Ended(ReconciledCause::Detached));
        }
    }

    /// A helper thread has looked at a client's sites.
    pub(crate) fn sites_looked_at(&mut self, number: u64, check: SiteCheck) {
        if let Some(attachment) = self.attached.get_mut(&number) {
            attachment.sites.is_asked = false;
            attachment.sites.last = Some(check);
        }
    }
}

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
        let watched = |it: &&mut Attachment| it.watched.is_some();
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
