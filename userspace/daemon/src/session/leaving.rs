//! How a client leaves a session, by itself or by dying.

use std::convert::Infallible;

use onair_ipc::fence::Fence;
use onair_ipc::lender::Lender;
use onair_ipc::memory::State;
use onair_types::{EventKind, Problem, ProblemCode, ReconciledCause};
use tokio::sync::oneshot;

use super::attachment::Attachment;
use super::{Place, Session, blockers};
use crate::dataplane::Command;
use crate::inspector::Finding;
use crate::reply::Reply;
use crate::services::Services;

/// Number of attachments that have left a stopped session and are kept for its certificate without
/// a check.
const DEPARTED: usize = 32;

/// What waits for a poller to hand an attachment's lender back.
#[derive(Debug)]
pub(super) enum Leaving {
    /// The client asked to detach, and has no loaned frames.
    Detach(Reply<()>),
    /// The process is gone, or released the memory.
    Ended(ReconciledCause),
}

impl Session {
    /// The client gives its attachment back. Refused while its callers are inside or its frames are
    /// on loan.
    pub fn detach(&mut self, services: &mut Services, number: u64, reply: Reply<()>) {
        let Some(attachment) = self.attachments.get(&number) else {
            reply.send(Err(Problem::new(
                ProblemCode::StaleSession,
                "the attachment was evicted",
            )));
            return;
        };
        let memory = attachment.memory.clone();
        memory.stop();
        services.waking.enter(&memory);
        services.waking.turn();
        if !memory.users_at(&Fence::new()).is_empty() || !memory.held().is_empty() {
            if self.lifecycle.is_running() {
                memory.start();
            }
            // Only its own callers: those of other clients do not matter here.
            let mut waiters = services.probe.waiters(self.id.0);
            waiters.retain(|waiter| waiter.attachment == number);
            let draft = blockers::Draft::of(std::iter::once(attachment), waiters);
            let about = u64::from(attachment.client.who.pid);
            let problem = Problem::new(
                ProblemCode::Busy,
                "callers are inside, or frames are on loan: let the calls return and put the frames back",
            );
            blockers::name(services, about, draft, move |blockers| {
                reply.send(Err(problem.with_blockers(blockers)));
                Finding::Told
            });
            return;
        }
        self.leave(services, number, Leaving::Detach(reply));
    }

    /// The connection of an attachment closed. Its process may live on (fork, exec, a closed
    /// descriptor), so its frames are not taken back yet; it admits no further calls. `attached` is
    /// dropped when the attachment has ended.
    pub fn hung_up(
        &mut self,
        services: &mut Services,
        number: u64,
        attached: oneshot::Sender<Infallible>,
    ) {
        if let Some(attachment) = self.attachments.get_mut(&number) {
            attachment.disconnected = true;
            attachment.outlived = Some(attached);
            attachment.memory.stop();
            services.waking.enter(&attachment.memory);
            self.rescan.begin();
        } else if let Some(evicted_client) = self.evicted_clients.list.get_mut(&number) {
            evicted_client.attachment.disconnected = true;
            evicted_client.attachment.outlived = Some(attached);
        }
    }

    /// The process of an attachment is dead: none of its threads runs.
    pub fn process_ended(&mut self, services: &mut Services, number: u64) {
        if self.evicted_client_died(services, number) {
            return;
        }
        self.leave(
            services,
            number,
            Leaving::Ended(ReconciledCause::ProcessDied),
        );
    }

    pub(super) fn leave(&mut self, services: &mut Services, number: u64, how: Leaving) {
        if !self.attachments.contains_key(&number) {
            return;
        }
        if let Some(Leaving::Detach(_)) = self.leaving.get(&number) {
            // A client that died while it detached: the hand-back is in progress, the death settles
            // it.
            self.leaving.insert(number, how);
            return;
        }
        if self.leaving.contains_key(&number) {
            return;
        }
        self.leaving.insert(number, how);
        match self.lifecycle.place() {
            Place::Here(_) => self.settle_departures(services),
            Place::Poller => services.command(
                self.poller,
                Command::Detach {
                    session: self.id.0,
                    attachment: number,
                },
            ),
            // It comes back with the runtime.
            Place::Returning => {}
        }
    }

    /// A poller handed one attachment's lender back.
    pub fn lender_back(&mut self, services: &mut Services, number: u64, lender: Lender) {
        self.left_clients_with(services, number, lender);
        if self.lifecycle.runtime().is_some() {
            self.settle_departures(services);
        }
    }

    /// Settles the leaving attachments whose lenders are here.
    pub(super) fn settle_departures(&mut self, services: &mut Services) {
        let numbers: Vec<u64> = self.leaving.keys().copied().collect();
        for number in numbers {
            let Some(runtime) = self.lifecycle.runtime_mut() else {
                return;
            };
            if let Some((lender, _)) = runtime.detach(number) {
                self.left_clients_with(services, number, *lender);
            }
        }
    }

    fn left_clients_with(&mut self, services: &mut Services, number: u64, mut lender: Lender) {
        let (Some(mut attachment), Some(how)) = (
            self.attachments.remove(&number),
            self.leaving.remove(&number),
        ) else {
            return;
        };
        lender.settle(|_| ());
        self.audit.ended(&lender);
        let who = attachment.client.who.clone();
        let slots = attachment
            .memory
            .slots()
            .iter()
            .filter(|slot| slot.count > 0)
            .count() as u64;
        // No thread of a dead process runs, and a client that detached reported that it holds
        // nothing.
        let frames = lender.credit_dead_process().len() as u64;
        attachment.close(State::Gone, services);
        let cause = match how {
            Leaving::Detach(reply) => {
                reply.send(Ok(()));
                ReconciledCause::Detached
            }
            Leaving::Ended(cause) => cause,
        };
        let reconciled = self.audit.reconcile(&who, None, cause, frames, slots);
        self.tell_reconciled(services, reconciled);
        let gone = EventKind::ClientLeft {
            attachment: number,
            pid: who.pid,
            command: who.command.clone(),
            cause,
        };
        self.tell(services, gone);
        tracing::info!(session = %self.id, attachment = number, pid = who.pid, "attachment ended");
        self.part(services, attachment);
    }

    /// Keeps the memory of an ended attachment until no process has it mapped.
    pub(super) fn part(&mut self, services: &mut Services, attachment: Attachment) {
        self.note_left(services, attachment.number, &attachment.client);
        self.retired.words.push(attachment.memory);
        self.retired.frames.extend(attachment.frames);
        let given_back = if self.lifecycle.is_running() {
            // The session no longer owns it: it is freed separately.
            std::mem::take(&mut self.retired)
        } else if self.retired.words.len() > DEPARTED {
            // The certificate covers what is left.
            self.retired.take_free()
        } else {
            return;
        };
        services.pending_reclaim.keep(self.id, given_back);
    }

    /// Whether `tgid` (in the first pid namespace) is a client of this session.
    pub fn has_client(&self, tgid: u32) -> bool {
        self.attachments.values().any(|attachment| {
            attachment
                .watched
                .as_ref()
                .is_some_and(|watched| watched.proof.tgid == tgid)
        })
    }
}
