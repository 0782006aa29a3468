//! What is settled for threads and processes that are gone, or have let go.
//!
//! A thread that exits inside a call leaves a slot that counts it, and may have taken a frame that
//! nobody was given. A helper thread finds out which threads are gone. The frame is credited by the
//! owner of the ledger: here at once, or by the poller, which is asked and answers. Then its slot is
//! emptied and the audit tell of it, once.

use std::time::{Duration, Instant};

use onair_ipc::layout::OWN_SLOTS;
use onair_ipc::slot::SlotReading;
use onair_types::ReconciledCause;

use super::attachment::{Attachment, Exit};
use super::leaving::Leaving;
use super::{Place, Session};
use crate::dataplane::Command;
use crate::inspector::{Finding, Inspection};
use crate::services::Services;
use crate::threads::{self, ThreadList};

/// Pause before an exit is looked at again that may be its whole process's.
const AGAIN: Duration = Duration::from_millis(20);
/// A destroy that does not wait for users still waits so long for a look at threads.
const SOON: Duration = Duration::from_millis(50);
/// Disconnected processes that one step looks at, 0.5 ms each at most.
const SWEEP: usize = 4;
/// Longest time that the look at a client's threads may take: those of some 20,000 threads.
const LIMIT: Duration = Duration::from_secs(1);
/// The threads of a client are left alone so many times as long as the look at them took.
const REST: u32 = 10;

impl Session {
    /// A thread of `tgid` (in the first pid namespace) ended, or the process began another program.
    /// The event counts are rung: it may have swallowed the one wake-up that was another's.
    pub fn thread_ended(&mut self, services: &mut Services, tgid: u32, exit: Option<Exit>) {
        for attachment in self.attachments.values_mut() {
            let is_its = attachment
                .watched
                .as_ref()
                .is_some_and(|watched| watched.proof.tgid == tgid);
            if !is_its {
                continue;
            }
            attachment.memory.notify_all();
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
        if !self.lifecycle.is_running() {
            self.rescan.look_for_dead();
        }
    }

    /// Has a helper thread look at the threads of which the probe said that they ended.
    pub(super) fn settle_exits(&mut self, services: &mut Services) {
        let now = Instant::now();
        self.exits_at = None;
        let is_returning = matches!(self.lifecycle.place(), Place::Returning);
        for attachment in self.attachments.values_mut() {
            if attachment.exits.is_empty() {
                continue;
            }
            if is_returning {
                // The ledger is on its way: again when it is here.
                self.exits_at = Some(now + AGAIN);
                continue;
            }
            if let Err(at) = attachment.threads.may_look(now) {
                self.exits_at = Some(self.exits_at.map_or(at, |other| other.min(at)));
                continue;
            }
            let exits = std::mem::take(&mut attachment.exits);
            let mut suspects = own_users(attachment);
            suspects.retain(|it| exits.iter().any(|exit| exit.own_tid == it.owner));
            attachment.threads.exits.clone_from(&exits);
            let pid = attachment.client.who.pid;
            ask(services, self.id.0, attachment, suspects, move |slot| {
                exits.iter().any(|exit| {
                    exit.own_tid == slot.owner
                        && !threads::goes_on(pid, exit.tid, slot.owner, slot.claimed_at)
                })
            });
        }
    }

    /// Has helper threads look for slots of dead threads in every attachment. Those that cannot be looked
    /// at yet are looked at later.
    pub(super) fn look_for_dead_threads(&mut self, services: &mut Services) {
        if let Some(at) = self.look_for_dead_where(services, |_| true) {
            self.rescan.dead = true;
            self.exits_at = Some(self.exits_at.map_or(at, |other| other.min(at)));
        }
    }

    /// The same in the attachments that run and of whose threads' exits nothing else tells: those that
    /// the probe does not watch, or all if its events were lost.
    pub fn look_for_dead_unwatched(&mut self, services: &mut Services, all: bool) {
        if self.lifecycle.is_running() {
            // The others are looked at by the next periodic check.
            let _ = self.look_for_dead_where(services, |it| all || it.watched.is_none());
        }
    }

    fn look_for_dead_where(
        &mut self,
        services: &mut Services,
        wanted: impl Fn(&Attachment) -> bool,
    ) -> Option<Instant> {
        let now = Instant::now();
        let mut later: Option<Instant> = None;
        for attachment in self.attachments.values_mut().filter(|it| wanted(it)) {
            if let Err(at) = attachment.threads.may_look(now) {
                later = Some(later.map_or(at, |other| other.min(at)));
                continue;
            }
            let suspects = own_users(attachment);
            let thread_list = ThreadList::of(attachment.client.who.pid);
            ask(services, self.id.0, attachment, suspects, move |slot| {
                !thread_list.has(slot.owner, slot.claimed_at)
            });
        }
        later
    }

    /// A helper thread has looked: settles the slots of `dead` threads that still stand.
    ///
    /// What the slots say counts only as read now, after the look. A slot that was claimed after the
    /// question has an owner that was not looked for. And a dead thread, read in the middle of a call that
    /// had taken a frame, may have returned with it, given it to another thread, and ended inside its next
    /// call: credited by the first reading, the frame would be lent again while the other thread reads it.
    pub fn threads_looked_at(
        &mut self,
        services: &mut Services,
        number: u64,
        dead: &[SlotReading],
        again: bool,
        cost: Duration,
    ) {
        let Some(attachment) = self.attachments.get_mut(&number) else {
            return;
        };
        let now = Instant::now();
        attachment.threads.looked(now, cost);
        let exits = std::mem::take(&mut attachment.threads.exits);
        if again {
            // If the whole process is going, its pidfd says so, and settles it as a whole.
            attachment.exits.extend(exits);
            self.exits_at = Some(now + AGAIN);
            return;
        }
        let mut residue = own_users(attachment);
        residue.retain(|now| dead.iter().any(|slot| slot.is_of_the_claim(now)));
        self.settle_residue(services, number, residue);
    }

    /// Whether helper threads look at the clients' threads, or do so soon.
    pub(super) fn is_looking_at_threads(&self) -> bool {
        let soon = Instant::now() + SOON;
        let will = self.rescan.dead && self.exits_at.is_some_and(|at| at <= soon);
        will || self.attachments.values().any(|it| it.threads.is_asked)
    }

    fn settle_residue(&mut self, services: &mut Services, number: u64, residue: Vec<SlotReading>) {
        for slot in residue {
            match self.lifecycle.place_mut() {
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

    /// One that was cut off after the poller was asked is among the evicted_clients until the poller's answer to
    /// that, which comes later.
    fn here_or_cut_off(&mut self, number: u64) -> Option<&mut Attachment> {
        let evicted_client = self.evicted_clients.list.get_mut(&number);
        let evicted_client = evicted_client.map(|evicted_client| &mut evicted_client.attachment);
        self.attachments.get_mut(&number).or(evicted_client)
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
            self.look_for_dead_threads(services);
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
        let settled = self.audit.reconcile(
            &who,
            Some(slot.owner),
            ReconciledCause::ThreadExited,
            frames,
            u64::from(buried),
        );
        self.tell_reconciled(services, settled);
    }

    /// Ends the attachments of processes that let go of the memory without dying (exec, unmap), some of
    /// them at a time.
    pub(super) fn sweep_disconnected(&mut self, services: &mut Services) {
        let is_apart = |it: &&Attachment| {
            (it.disconnected || self.is_quarantined()) && it.memory.is_sole_user().unwrap_or(false)
        };
        let mut apart: Vec<&Attachment> = self.attachments.values().filter(is_apart).collect();
        let next = apart.partition_point(|it| it.number <= self.swept);
        apart.rotate_left(next);
        apart.truncate(SWEEP);
        let swept = apart.last().map_or(0, |it| it.number);
        // One that dies lets go of its memory first: its pidfd settles it.
        apart.retain(|it| !threads::is_process_ending(it.client.who.pid));
        let gone: Vec<u64> = apart.into_iter().map(|it| it.number).collect();
        self.swept = swept;
        for number in gone {
            self.leave(services, number, Leaving::Ended(ReconciledCause::Detached));
        }
    }
}

/// When the threads of an attachment may be looked at, and what was asked.
#[derive(Debug, Default)]
pub struct ThreadLooks {
    is_asked: bool,
    not_before: Option<Instant>,
    /// The exits that the question is about.
    exits: Vec<Exit>,
}

impl ThreadLooks {
    /// # Errors
    /// When it may be asked again, at the earliest.
    fn may_look(&self, now: Instant) -> Result<(), Instant> {
        match self.not_before {
            _ if self.is_asked => Err(now + AGAIN),
            Some(at) if at > now => Err(at),
            _ => Ok(()),
        }
    }

    fn looked(&mut self, now: Instant, cost: Duration) {
        self.is_asked = false;
        self.not_before = Some(now + cost * REST);
    }
}

/// Asks which of `suspects` are dead, if there are any.
fn ask(
    services: &Services,
    session: u64,
    attachment: &mut Attachment,
    suspects: Vec<SlotReading>,
    is_dead: impl Fn(&SlotReading) -> bool + Send + 'static,
) {
    if suspects.is_empty() {
        attachment.threads.exits.clear();
        return;
    }
    attachment.threads.is_asked = true;
    let (number, pid) = (attachment.number, attachment.client.who.pid);
    let look = move || {
        let began = Instant::now();
        let mut dead = suspects;
        dead.retain(is_dead);
        let again = !dead.is_empty() && threads::is_process_ending(pid);
        Finding::DeadThreads {
            session,
            attachment: number,
            dead,
            again,
            cost: began.elapsed(),
        }
    };
    let late = move || Finding::DeadThreads {
        session,
        attachment: number,
        dead: Vec::new(),
        again: true,
        cost: LIMIT,
    };
    services.inspector.ask(Inspection {
        about: u64::from(pid),
        limit: LIMIT,
        look: Box::new(look),
        late: Box::new(late),
    });
}

/// The slots of threads of their own that count users, in order.
fn own_users(attachment: &Attachment) -> Vec<SlotReading> {
    let mut users = attachment.memory.users();
    users.retain(|slot| slot.index != OWN_SLOTS && slot.owner != 0);
    users
}
