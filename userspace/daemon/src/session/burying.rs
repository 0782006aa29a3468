//! What is settled for threads and processes that are gone, or have let go.
//!
//! A thread that exits inside a call leaves a slot that counts it, and may have taken a frame that
//! nobody was given. Its frame is credited by whoever has the ledger: here at once, or by the poller,
//! which is asked and answers. Then its slot is emptied and the books tell of it, once.

use std::time::{Duration, Instant};

use onair_api::ReconciledCause;
use onair_ipc::layout::OWN_SLOTS;
use onair_ipc::slot::SlotReading;

use super::attachment::{Attachment, Exit};
use super::leaving::Leaving;
use super::{Place, Session};
use crate::dataplane::Command;
use crate::services::Services;
use crate::threads::{self, Roll};

/// Pause before an exit is looked at again that may be its whole process's.
const AGAIN: Duration = Duration::from_millis(20);
/// Slots of one attachment that one patrol looks at.
const PATROL: usize = 16;

impl Session {
    /// A thread of `tgid` (in the first pid namespace) ended, or the process began another program.
    /// The bells are rung: it may have swallowed the one wake-up that was another's.
    pub fn thread_ended(&mut self, services: &mut Services, tgid: u32, exit: Option<Exit>) {
        for attachment in self.attachments.values_mut() {
            let is_its = attachment
                .watched
                .as_ref()
                .is_some_and(|watched| watched.proof.tgid == tgid);
            if !is_its {
                continue;
            }
            attachment.memory.strike_all();
            services.waking.enter(&attachment.memory);
            if let Some(exit) = exit
                && attachment.exits.len() < usize::from(OWN_SLOTS)
                && own_users(attachment)
                    .iter()
                    .any(|it| it.owner == exit.own_tid)
            {
                attachment.exits.push(exit);
            }
        }
        if !self.running {
            self.rescan.look_for_dead();
        }
    }

    /// Settles what threads left behind of which the probe said that they ended.
    pub(super) fn settle_exits(&mut self, services: &mut Services) {
        self.exits_at = None;
        let has_exits = |it: &&Attachment| !it.exits.is_empty();
        let waiting = self.attachments.values().filter(has_exits);
        let waiting: Vec<u64> = waiting.map(|it| it.number).collect();
        for number in waiting {
            let Some(attachment) = self.attachments.get_mut(&number) else {
                continue;
            };
            let pid = attachment.client.who.pid;
            let mut suspects = own_users(attachment);
            suspects.retain(|it| attachment.exits.iter().any(|exit| exit.own_tid == it.owner));
            let is_too_early = matches!(self.place, Place::Returning)
                // Then its pidfd says so, and settles it as a whole.
                || !suspects.is_empty() && threads::is_process_ending(pid);
            if is_too_early {
                self.exits_at = Some(Instant::now() + AGAIN);
                continue;
            }
            let exits = std::mem::take(&mut attachment.exits);
            let residue = residue(attachment, &suspects, |slot| {
                exits.iter().any(|exit| {
                    exit.own_tid == slot.owner
                        && !threads::goes_on(pid, exit.tid, slot.owner, slot.claimed_at)
                })
            });
            self.settle_residue(services, number, residue);
        }
    }

    /// Looks for slots of dead threads in every attachment, and settles them.
    pub(super) fn bury_dead_threads(&mut self, services: &mut Services) {
        let numbers: Vec<u64> = self.attachments.keys().copied().collect();
        for number in numbers {
            let suspects = self.attachments.get(&number).map(own_users);
            self.look_at(services, number, &suspects.unwrap_or_default());
        }
    }

    /// The attachments that run and of whose threads' exits nobody tells: those that the probe does
    /// not watch, or all if its events were lost.
    pub fn unwatched(&self, all: bool) -> impl Iterator<Item = u64> {
        let it = self.attachments.values();
        it.filter(move |it| self.running && (all || it.watched.is_none()))
            .map(|it| it.number)
    }

    /// Looks for slots of dead threads among the next few of an attachment, at most `most`. Returns
    /// how many it looked at.
    pub fn patrol(&mut self, services: &mut Services, number: u64, most: usize) -> usize {
        let Some(attachment) = self.attachments.get_mut(&number) else {
            return 0;
        };
        let mut suspects = own_users(attachment);
        let next = suspects.partition_point(|it| it.index <= attachment.patrolled);
        suspects.rotate_left(next);
        suspects.truncate(most.min(PATROL));
        let Some(last) = suspects.last() else {
            return 0;
        };
        attachment.patrolled = last.index;
        self.look_at(services, number, &suspects);
        suspects.len()
    }

    fn look_at(&mut self, services: &mut Services, number: u64, suspects: &[SlotReading]) {
        let Some(attachment) = self.attachments.get(&number) else {
            return;
        };
        if suspects.is_empty() {
            return;
        }
        let roll = Roll::of(attachment.client.who.pid);
        let residue = residue(attachment, suspects, |slot| {
            !roll.has(slot.owner, slot.claimed_at)
        });
        // The whole process may be going: its pidfd says so, and settles it as a whole.
        if !residue.is_empty() && !threads::is_process_ending(attachment.client.who.pid) {
            self.settle_residue(services, number, residue);
        }
    }

    fn settle_residue(&mut self, services: &mut Services, number: u64, residue: Vec<SlotReading>) {
        for slot in residue {
            match &mut self.place {
                Place::Here(runtime) => {
                    let lender = runtime.lender_mut(number);
                    let frame = lender.and_then(|lender| lender.credit_dead_thread(&slot));
                    self.bury(services, number, &slot, u64::from(frame.is_some()));
                }
                Place::Poller => self.ask_for_credit(services, number, slot),
                // The ledger is on its way: again when it is here.
                Place::Returning => self.rescan.dead = true,
            }
        }
    }

    fn ask_for_credit(&mut self, services: &mut Services, number: u64, slot: SlotReading) {
        let Some(attachment) = self.attachments.get_mut(&number) else {
            return;
        };
        let mut asked = attachment.crediting.iter();
        if asked.any(|(_, other)| other.is_of_the_claim(&slot)) {
            return;
        }
        self.tickets += 1;
        let ticket = self.tickets;
        attachment.crediting.push((ticket, slot));
        let command = Command::CreditThread {
            session: self.id.0,
            attachment: number,
            ticket,
            slot,
        };
        services.command(self.poller, command);
    }

    /// The poller's answer to a request for credit.
    ///
    /// Whatever overtakes the request, the frame is credited by one ledger entry and booked once. A
    /// poller takes commands and gives events each in order, so if it had the lender, this comes
    /// before the lender does (stop, death, detach), and the attachment is still here. If it had
    /// not, it says so, and whoever has the ledger settles the slot: with the stopped session, or as
    /// part of the process. A ticket that was forgotten is answered for nothing.
    pub fn thread_credited(
        &mut self,
        services: &mut Services,
        number: u64,
        ticket: u64,
        frames: Option<u64>,
    ) {
        let Some(attachment) = self.here_or_cut_off(number) else {
            return;
        };
        let mut asked = attachment.crediting.iter();
        let Some(at) = asked.position(|(of, _)| *of == ticket) else {
            return;
        };
        let (_, slot) = attachment.crediting.swap_remove(at);
        if let Some(frames) = frames {
            self.bury(services, number, &slot, frames);
        }
    }

    /// One that was cut off after the poller was asked is among the outcasts until the poller's answer to
    /// that, which comes later.
    fn here_or_cut_off(&mut self, number: u64) -> Option<&mut Attachment> {
        let outcast = self.outcasts.list.get_mut(&number);
        let outcast = outcast.map(|outcast| &mut outcast.attachment);
        self.attachments.get_mut(&number).or(outcast)
    }

    /// The runtime is here: what the poller was asked and did not answer it never will. The slots
    /// are still there, and are settled now.
    pub(super) fn forget_credits(&mut self, services: &mut Services) {
        let mut forgotten = false;
        for attachment in self.attachments.values_mut() {
            forgotten |= !attachment.crediting.is_empty();
            attachment.crediting.clear();
        }
        if forgotten || std::mem::take(&mut self.rescan.dead) {
            self.bury_dead_threads(services);
        }
    }

    fn bury(&mut self, services: &mut Services, number: u64, slot: &SlotReading, frames: u64) {
        let Some(attachment) = self.here_or_cut_off(number) else {
            return;
        };
        let who = attachment.client.who.clone();
        let buried = attachment.memory.bury(slot);
        if buried {
            services.waking.enter(&attachment.memory);
        }
        let settled = self.books.reconcile(
            &who,
            Some(slot.owner),
            ReconciledCause::ThreadExited,
            frames,
            u64::from(buried),
        );
        self.tell_reconciled(services, settled);
    }

    /// Ends the attachments of processes that let go of the memory without dying (exec, unmap).
    pub(super) fn sweep_disconnected(&mut self, services: &mut Services) {
        for number in self.let_go() {
            self.leave(services, number, Leaving::Ended(ReconciledCause::Detached));
        }
    }

    /// Attachments whose processes have hung up, live, and have nothing of the memory any more.
    pub(super) fn let_go(&self) -> Vec<u64> {
        let disconnected = |it: &&Attachment| it.disconnected || self.is_quarantined();
        let left = self.attachments.values().filter(disconnected);
        left.filter(|it| it.memory.is_sole_user().unwrap_or(false))
            // One that dies lets go of its memory first: its pidfd settles it.
            .filter(|it| !threads::is_process_ending(it.client.who.pid))
            .map(|it| it.number)
            .collect()
    }
}

/// Those of `suspects` whose threads are dead, as they left them.
///
/// Only what stands in the slot both before and after the look at the threads is residue: a slot that
/// was claimed after it has an owner that was not looked for. And what the slot says counts only as
/// read after it. The dead one, read in the middle of a call that had taken a frame, may have
/// returned with it, given it to another thread, and ended inside its next call: credited by the
/// first reading, the frame would be lent again while the other thread reads it.
fn residue(
    attachment: &Attachment,
    suspects: &[SlotReading],
    is_dead: impl Fn(&SlotReading) -> bool,
) -> Vec<SlotReading> {
    let dead: Vec<_> = suspects.iter().filter(|slot| is_dead(slot)).collect();
    if dead.is_empty() {
        return Vec::new();
    }
    let mut left = own_users(attachment);
    left.retain(|now| dead.iter().any(|slot| slot.is_of_the_claim(now)));
    left
}

/// The slots of threads of their own that count users, in order.
fn own_users(attachment: &Attachment) -> Vec<SlotReading> {
    let mut users = attachment.memory.users();
    users.retain(|slot| slot.index != OWN_SLOTS && slot.owner != 0);
    users
}
