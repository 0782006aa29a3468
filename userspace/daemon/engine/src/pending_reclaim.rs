//! Memory that no session owns any more and that a process may still have mapped.
//!
//! It is freed when the kernel says that no process has it (W4), never before, and never reused for
//! another session.

use std::collections::VecDeque;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use onair_api::{Reading, Says, SessionId};
use onair_ipc::frames::FrameMemory;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;
use onair_session::RetiredMemory;

use crate::machine::{Charge, Machine};
use crate::mapping;

/// Pause between two looks at memory that waits for W4.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Debug)]
struct Waiting {
    charge: Charge,
    /// It is the memory of a whole session: a certificate waits to be completed.
    is_whole: bool,
    retired: RetiredMemory,
}

/// All memory that waits for W4.
#[derive(Debug)]
pub struct PendingReclaim {
    waiting: VecDeque<Waiting>,
    /// Whole sessions on their way back, whose certificates wait to be completed, with the size and W4's reading.
    returning: Vec<(SessionId, u64, Reading)>,
    /// When the next look is due, while something waits.
    look_at: Instant,
}

impl PendingReclaim {
    /// An empty list.
    #[must_use]
    pub const fn new(now: Instant) -> Self {
        Self {
            waiting: VecDeque::new(),
            returning: Vec::new(),
            look_at: now,
        }
    }

    /// Returns a session's retired memory, with that of the attachments that left it while it ran, if
    /// no process has it any more, and W4's reading that says so.
    /// [`give_back`](crate::machine::MemoryReturn::give_back) it.
    ///
    /// # Errors
    /// W4's reading, if a process has it: the memory is kept.
    pub fn take_or_keep(
        &mut self,
        machine: &dyn Machine,
        charge: Charge,
        mut retired: RetiredMemory,
    ) -> Result<(RetiredMemory, Reading), Reading> {
        let is_part = |it: &Waiting| it.charge.session == charge.session && !it.is_whole;
        while let Some(at) = self.waiting.iter().position(is_part)
            && let Some(part) = self.waiting.remove(at)
        {
            if !mutant!("W4: leaves out what departed senders still map") {
                retired.add(part.retired);
            }
        }
        let reading = mapping::of(machine, &retired);
        if reading.says != Says::Zero {
            self.wait(machine.now(), charge, true, retired);
            return Err(reading);
        }
        Ok((retired, reading))
    }

    /// Keeps the retired memory of attachments that have left a session until no process has it any
    /// more.
    pub fn keep(&mut self, now: Instant, charge: Charge, retired: RetiredMemory) {
        self.wait(now, charge, false, retired);
    }

    fn wait(&mut self, now: Instant, charge: Charge, is_whole: bool, retired: RetiredMemory) {
        if self.waiting.is_empty() && self.returning.is_empty() {
            self.look_at = now + PAUSE;
        }
        self.waiting.push_back(Waiting {
            charge,
            is_whole,
            retired,
        });
    }

    /// The words of attachments that have left `session`, whether or not a process still has them.
    pub fn memory_of_former_clients(
        &self,
        session: SessionId,
    ) -> impl Iterator<Item = &AttachmentMemory> {
        let parts = self.parts_of(session);
        parts.flat_map(|retired| retired.words().map(|words| &**words))
    }

    /// The retired memory of attachments that left `session` while it ran: its certificate covers
    /// it, too.
    pub fn parts(&self, session: SessionId) -> RetiredMemory {
        let mut all = RetiredMemory::default();
        for part in self.parts_of(session) {
            all.clients.extend_from_slice(&part.clients);
            all.own.extend_from_slice(&part.own);
        }
        all
    }

    fn parts_of(&self, session: SessionId) -> impl Iterator<Item = &RetiredMemory> {
        let is_part = move |it: &&Waiting| it.charge.session == session && !it.is_whole;
        self.waiting.iter().filter(is_part).map(|it| &it.retired)
    }

    /// All that waits, of whole sessions and of attachments that left one.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (Charge, &RetiredMemory)> {
        self.waiting.iter().map(|it| (it.charge, &it.retired))
    }

    /// Takes over the memory of a session of the daemon before: its clients have it, and nothing writes to it. Its
    /// certificate is completed when no process has it any more. `files`: all of them.
    ///
    /// # Errors
    /// The kernel's.
    pub fn inherit(&mut self, now: Instant, charge: Charge, files: Vec<OwnedFd>) -> io::Result<()> {
        let own = files.into_iter().map(FrameMemory::inherit);
        let own = own.collect::<io::Result<_>>()?;
        let clients = Vec::new();
        self.wait(now, charge, true, RetiredMemory { clients, own });
        Ok(())
    }

    /// The certificate of a session whose memory is given back is not read yet.
    pub(crate) fn await_certificate(&mut self, session: SessionId, bytes: u64, reading: Reading) {
        self.returning.push((session, bytes, reading));
    }

    /// When the next sweep is due, if something waits.
    pub fn wake_at(&self, machine: &dyn Machine) -> Option<Instant> {
        let waits = !self.waiting.is_empty() || !self.returning.is_empty();
        let waits = waits && !mutant!("memory: no look at what waits");
        let look_at = waits.then_some(self.look_at);
        look_at.into_iter().chain(machine.pinned_due()).min()
    }

    /// Whether the last memory of a session is on its way back.
    pub fn is_returning(&self) -> bool {
        !self.returning.is_empty()
    }

    /// Bytes that are not given back.
    pub fn bytes(&self, machine: &dyn Machine) -> u64 {
        let all = self.held_by_user(machine).chain(machine.returning());
        all.map(|(_, bytes)| bytes).sum()
    }

    /// Bytes that a process or the kernel has, with the user that they are charged to; a user comes several times.
    pub fn held_by_user(&self, machine: &dyn Machine) -> impl Iterator<Item = (u32, u64)> {
        let waiting = self.waiting.iter();
        let mapped = waiting.flat_map(|it| it.retired.bytes_by_user(it.charge.uid));
        let pinned = machine.pinned().into_iter();
        mapped.chain(pinned.map(|(charge, bytes)| (charge.uid, bytes)))
    }

    /// Frees memory that no process has any more, until `until` at most, and has the thread ask for pinned
    /// pages; the next sweep begins with what this one did not reach. Returns the sessions whose last memory is given
    /// back, with the bytes and the reading that allowed it.
    pub fn sweep(
        &mut self,
        machine: &mut dyn Machine,
        until: Instant,
    ) -> Vec<(SessionId, u64, Reading)> {
        machine.ask_for_pinned(machine.now());
        for _ in 0..self.waiting.len() {
            let Some(it) = self.waiting.pop_front() else {
                break;
            };
            let reading = mapping::of(machine, &it.retired);
            if reading.says != Says::Zero {
                self.waiting.push_back(it);
            } else {
                if it.is_whole {
                    let bytes = it.retired.bytes();
                    self.returning.push((it.charge.session, bytes, reading));
                }
                machine.give_back(it.charge, it.retired);
            }
            if machine.now() >= until {
                break;
            }
        }
        self.look_at = machine.now() + PAUSE;
        let is_back = |it: &mut (SessionId, u64, Reading)| !machine.is_returning(it.0);
        self.returning.extract_if(.., is_back).collect()
    }

    /// Makes the next sweep due now: some memory may have become free.
    pub fn sweep_soon(&mut self, now: Instant) {
        self.look_at = now;
    }
}
