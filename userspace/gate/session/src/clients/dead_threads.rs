//! Settles the residue of threads and processes that ended or released their memory.
//!
//! A thread may exit anywhere inside a call. It then leaves a slot that counts it for ever (W1 would never be
//! zero), perhaps a frame that it had taken and no thread received, a wake-up that it had consumed, and a kick
//! that it never sent. This file settles each of these once. What a *process* leaves is simpler: all its loans
//! are credited at once (`leaving.rs`).
//!
//! 1. *Suspect.* The probe reports a thread's end ([`DeadThreads::ended`]) or an exec
//!    ([`DeadThreads::program_replaced`]). Of clients without a probe, and of all if the probe lost events, each
//!    slot that counts a caller is a suspect once a second. In a stopped session that something delays, each such
//!    slot of all clients is (`ending/drain.rs`).
//! 2. *Wake.* The event counts move at once, and one sleeper is woken: the dead thread may have consumed the only
//!    wake-up of another one. The witnesses are read again if the thread left a slot or, in a stopped session, if
//!    its kick may be lost.
//! 3. *Look.* [`Effect::LookAtThreads`] has a helper thread read `/proc`, which a client can make slow; the
//!    control thread never waits for that. After a look the client is left alone for ten times as long as the
//!    look took.
//! 4. *Judge.* [`DeadThreads::looked_at`] reads the slots *again*, and only this reading counts: see
//!    there. If the whole process is ending, its pidfd will say so, and the process is settled as a whole.
//! 5. *Credit.* The owner of the ledger takes the frame back, if its word names the slot and the serial that the
//!    dead thread intended. If the runtime is here, that is the control thread. If a poller has it, the poller is
//!    asked under a ticket. If it is on its way back, the slot waits for it.
//! 6. *Empty* the slot ([`reclaim_slot`]), if it still belongs to that thread, and enter both in the
//!    audit. Always after 5: a new owner of an emptied slot may take the very frame that the dead thread intended
//!    and missed, under the same serial and slot. A credit that comes later would take it from the new owner.
//!
//! *A ticket* matters because a stop, an eviction or a process end may overtake the request. The poller handles
//! commands in order and sends events in order, so its answer comes before the lender does, or says that the
//! lender is not there; see [`DeadThreads::credited`]. When the runtime is back, open tickets are
//! forgotten and their slots are settled here.
//!
//! *Not every end matters.* Hundreds of threads that a stop woke may end at once, with nothing left. So a session
//! that drains and awaits no user does not follow them, and elsewhere only a slot that still counts the thread is
//! looked at.
//!
//! Read on in `ipc/daemon/lender.rs` (`credit_dead_thread`), `daemon/src/clients/threads.rs` (the look),
//! `docs/gate.md` ("thread exit", and the mutants `ReclaimFirst` and `StaleReading`).

use std::time::{Duration, Instant};

use onair_api::ReconciledCause;
use onair_ipc::layout::OWN_SLOTS;
use onair_ipc::slot::SlotReading;
use onair_mutant::mutant;

use crate::boundary::effect::{Effect, Effects, PollerCommand, ThreadQuestion};
use crate::boundary::event::Exit;
use crate::boundary::runtime::Runtime;
use crate::lifecycle::RuntimeHolder;
use crate::state::Turn;
use crate::state::asking::Asking;
use crate::state::clients::Clients;
use crate::state::clients::attachment::Attachment;
use crate::state::clients::thread_looks::{AGAIN, DeadThreads};
use crate::state::rescan::Due;

/// Time that a destroy with no wait for users still waits for a look at threads.
const SOON: Duration = Duration::from_millis(50);
/// Time limit for the look at a client's threads: enough for about 20,000 threads.
const LIMIT: Duration = Duration::from_secs(1);

impl DeadThreads {
    /// Has all threads looked at with the next examination, soon.
    pub(crate) fn look_soon<R>(&mut self, turn: &mut Turn<R>) {
        self.look = true;
        turn.life.rescan.begin(turn.now());
    }

    /// Threads of `tgid` (in the first pid namespace) ended. The event counts are notified: a thread
    /// may have consumed the only wake-up of another thread. Only a thread whose slot still counts
    /// it leaves something to settle: hundreds that a stop woke may end at once, with nothing left.
    pub(crate) fn ended<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        clients: &mut Clients,
        tgid: u32,
        exits: &[Exit],
    ) {
        if mutant!("drain: a thread's end changes nothing") {
            return;
        }
        if !clients.are_followed(turn.life, tgid) {
            return;
        }
        let (mut left_a_slot, mut lost_a_kick) = (false, false);
        for attachment in clients.attached.values_mut() {
            if attachment.watched != Some(tgid) {
                continue;
            }
            notify(turn, attachment);
            let callers = own_callers(turn.view, attachment);
            let users = turn.view.users(&attachment.memory);
            lost_a_kick |=
                !users.iter().any(is_own) || !turn.view.is_kick_armed(&attachment.memory);
            let count = mutant!(
                "drain: of threads that end together one is settled",
                1,
                exits.len()
            );
            for exit in exits.iter().take(count) {
                if callers.iter().any(|it| it.owner == exit.own_tid) {
                    left_a_slot = true;
                    if attachment.exits.len() < usize::from(OWN_SLOTS) {
                        attachment.exits.push(*exit);
                    }
                }
            }
        }
        let is_running = turn.life.lifecycle.is_running();
        if left_a_slot && !is_running {
            self.look_soon(turn);
        }
        let lost_a_kick = lost_a_kick
            && mutant!(
                "drain: each end of a thread has the witnesses examined",
                true,
                turn.life.rescan.awaits_users
            )
            && !mutant!("drain: a kick may be lost with its thread");
        if left_a_slot || lost_a_kick && !is_running {
            turn.effects.push(Effect::Examine);
        }
    }

    /// The process `tgid` (in the first pid namespace) called exec: all its other threads ended.
    pub(crate) fn program_replaced<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        clients: &mut Clients,
        tgid: u32,
    ) {
        for attachment in clients.attached.values_mut() {
            if attachment.watched == Some(tgid) {
                notify(turn, attachment);
            }
        }
        if !turn.life.lifecycle.is_running() {
            self.look_soon(turn);
            turn.effects.push(Effect::Examine);
        }
    }

    /// A helper thread examines the threads whose exits the probe reported.
    pub(crate) fn settle_exits<R: Runtime>(&mut self, turn: &mut Turn<R>, clients: &mut Clients) {
        let now = turn.now();
        self.exits = Due::default();
        let is_returning = matches!(turn.life.lifecycle.place(), RuntimeHolder::Returning);
        for attachment in clients.attached.values_mut() {
            if attachment.exits.is_empty() {
                continue;
            }
            if is_returning {
                // The ledger is in transit: retry when it is here.
                self.exits.by(now + AGAIN);
                continue;
            }
            if let Err(at) = attachment.threads.may_look(now) {
                self.exits.by(at);
                continue;
            }
            let exits = std::mem::take(&mut attachment.exits);
            let mut suspects = own_callers(turn.view, attachment);
            suspects.retain(|it| exits.iter().any(|exit| exit.own_tid == it.owner));
            ask(&mut turn.effects, attachment, suspects, Some(exits));
        }
    }

    /// Helper threads look for slots of dead threads in every attachment. Attachments that cannot
    /// be examined yet are examined later.
    pub(crate) fn look_at_all<R>(&mut self, turn: &mut Turn<R>, clients: &mut Clients) {
        if let Some(at) = self.look_where(turn, clients, |_| true) {
            self.look = true;
            self.exits.by(at);
        }
    }

    /// The same for running attachments whose thread exits are not reported otherwise: those that
    /// the probe does not watch, or all if probe events were lost.
    pub(crate) fn look_at_unwatched<R>(
        &self,
        turn: &mut Turn<R>,
        clients: &mut Clients,
        all: bool,
    ) {
        // The next periodic check examines the others.
        let _ = self.look_where(turn, clients, |it| all || it.watched.is_none());
    }

    fn look_where<R>(
        &self,
        turn: &mut Turn<R>,
        clients: &mut Clients,
        wanted: impl Fn(&Attachment) -> bool,
    ) -> Option<Instant> {
        let now = turn.now();
        let mut later = Due::default();
        for attachment in clients.attached.values_mut().filter(|it| wanted(it)) {
            if let Err(at) = attachment.threads.may_look(now) {
                later.by(at);
                continue;
            }
            let suspects = own_callers(turn.view, attachment);
            ask(&mut turn.effects, attachment, suspects, None);
        }
        later.0
    }

    /// A helper thread has looked. The slots of `dead` threads that are still set, to be settled.
    ///
    /// The slots are read now, after the look, and only this reading counts. A slot claimed after
    /// the question has an owner that the look did not cover. A dead thread that was read in the
    /// middle of a call with a frame taken may have returned with the frame, given it to another
    /// thread, and ended inside its next call. Credited by the first reading, the frame would be
    /// loaned again while the other thread reads it.
    pub(crate) fn looked_at<R>(
        &mut self,
        turn: &Turn<R>,
        clients: &mut Clients,
        number: u64,
        dead: &[SlotReading],
        again: bool,
        cost: Duration,
    ) -> Vec<SlotReading> {
        let Some(attachment) = clients.attached.get_mut(&number) else {
            return Vec::new();
        };
        let now = turn.now();
        attachment.threads.looked(now, cost);
        let exits = std::mem::take(&mut attachment.threads.exits);
        if again {
            // If the whole process exits, its pidfd reports that, and the process is settled as a
            // whole.
            attachment.exits.extend(exits);
            self.exits.by(now + AGAIN);
            return Vec::new();
        }
        let mut residue = own_callers(turn.view, attachment);
        residue.retain(|now| dead.iter().any(|slot| slot.is_of_the_claim(now)));
        if mutant!("death: a thread is settled as it was when asked about") {
            residue = dead.to_vec();
        }
        residue
    }

    /// Whether helper threads look at the clients' threads, or will soon.
    pub(crate) fn is_looking(&self, clients: &Clients, now: Instant) -> bool {
        let soon = now + SOON;
        let will = self.look && self.exits.0.is_some_and(|at| at <= soon);
        will || clients.attached.values().any(|it| it.threads.is_asked)
    }

    /// Whether ends of threads that the probe reported are still to be settled.
    pub(crate) fn has_exits(&self, clients: &Clients) -> bool {
        let mut all = clients.attached.values();
        self.exits.0.is_some() || all.any(|it| it.threads.is_asked || !it.exits.is_empty())
    }

    /// Settles slots of dead threads, if the ledger is here; else its owner is asked, or it waits for it.
    pub(crate) fn settle<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        clients: &mut Clients,
        number: u64,
        residue: Vec<SlotReading>,
    ) {
        for slot in residue {
            match turn.life.lifecycle.place() {
                RuntimeHolder::Here(runtime) => {
                    let frames = turn.view.credit_thread(&mut **runtime, number, &slot);
                    reclaim_slot(turn, clients, number, &slot, frames);
                }
                RuntimeHolder::Poller => self.ask_for_credit(turn, clients, number, slot),
                // The ledger is in transit: retry when it is here.
                RuntimeHolder::Returning => self.look = true,
            }
        }
    }

    fn ask_for_credit<R>(
        &mut self,
        turn: &mut Turn<R>,
        clients: &mut Clients,
        number: u64,
        slot: SlotReading,
    ) {
        let Some(attachment) = clients.attached.get_mut(&number) else {
            return;
        };
        let mut asked = attachment.crediting.iter();
        if asked.any(|(_, other)| other.is_of_the_claim(&slot)) {
            return;
        }
        self.tickets += 1;
        let ticket = self.tickets;
        attachment.crediting.push((ticket, slot));
        turn.effects.poller(PollerCommand::CreditThread {
            attachment: number,
            ticket,
            slot,
        });
    }

    /// The poller's answer to a request for credit.
    ///
    /// Whatever overtakes the request, one ledger entry credits the frame and the audit records it
    /// once. A poller takes commands in order and sends events in order. If the poller had the
    /// lender, this event arrives before the lender does (stop, death, detach), and the attachment
    /// is still here. If it did not, the answer says so, and the owner of the ledger settles the
    /// slot: with the stopped session, or as part of the process. An answer to a forgotten ticket
    /// has no effect.
    pub(crate) fn credited<R: Runtime>(
        &mut self,
        turn: &mut Turn<R>,
        clients: &mut Clients,
        number: u64,
        ticket: u64,
        frames: Option<u64>,
    ) {
        let Some(attachment) = clients.holder_mut(number) else {
            return;
        };
        let mut asked = attachment.crediting.iter();
        let Some(at) = asked.position(|(of, _)| *of == ticket) else {
            return;
        };
        let (_, slot) = attachment.crediting.swap_remove(at);
        if let Some(frames) = frames {
            reclaim_slot(turn, clients, number, &slot, frames);
        }
    }

    /// The runtime is here: the poller will not answer the open requests. Their slots are still
    /// set, and are settled now.
    pub(crate) fn forget_credits<R>(&mut self, turn: &mut Turn<R>, clients: &mut Clients) {
        let mut forgotten = false;
        for attachment in clients.attached.values_mut() {
            forgotten |= !attachment.crediting.is_empty();
            attachment.crediting.clear();
        }
        if forgotten || std::mem::take(&mut self.look) {
            self.look_at_all(turn, clients);
        }
    }
}

fn reclaim_slot<R: Runtime>(
    turn: &mut Turn<R>,
    clients: &mut Clients,
    number: u64,
    slot: &SlotReading,
    frames: u64,
) {
    let Some(attachment) = clients.holder_mut(number) else {
        return;
    };
    let who = attachment.who.clone();
    let reclaimed = turn.view.reclaim_slot(&attachment.memory, slot);
    if reclaimed {
        turn.effects.wake(&attachment.memory);
    }
    let settled = turn.life.audit.reconcile(
        &who,
        Some(slot.owner),
        ReconciledCause::ThreadExited,
        frames,
        u64::from(reclaimed),
        turn.moment(),
    );
    turn.effects.reconciled(settled);
}

/// Asks which of `suspects` are dead, if there are any; `exits` are the threads to ask about.
fn ask<R>(
    effects: &mut Effects<R>,
    attachment: &mut Attachment,
    suspects: Vec<SlotReading>,
    exits: Option<Vec<Exit>>,
) {
    if suspects.is_empty() {
        attachment.threads.exits.clear();
        return;
    }
    attachment.threads.is_asked = true;
    attachment.threads.exits = exits.clone().unwrap_or_default();
    effects.push(Effect::LookAtThreads(ThreadQuestion {
        attachment: attachment.number,
        pid: attachment.who.pid,
        suspects,
        exits,
        limit: LIMIT,
    }));
}

fn notify<R>(turn: &mut Turn<R>, attachment: &Attachment) {
    attachment.memory.thread_ended();
    turn.effects.wake(&attachment.memory);
}

/// The slots owned by one thread that count a call, in order: also of a thread that has acknowledged the stop, and
/// counts as a user from the next one on.
fn own_callers(view: Asking<'_>, attachment: &Attachment) -> Vec<SlotReading> {
    let mut callers = match mutant!("drain: a dead thread that has acknowledged is left") {
        true => view.users(&attachment.memory),
        false => view.callers(&attachment.memory),
    };
    callers.retain(is_own);
    callers
}

fn is_own(slot: &SlotReading) -> bool {
    slot.index != OWN_SLOTS && slot.owner != 0
}
