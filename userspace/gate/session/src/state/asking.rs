//! Questions of the core in the middle of an event: to the kernel, to shared words, to the runtime.

use onair_api::{Problem, Reading, SessionId};
use onair_ipc::fence::Fence;
use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::{Lender, Violation};
use onair_ipc::memory::AttachmentMemory;
use onair_ipc::slot::SlotReading;
use onair_mutant::mutant;

use crate::boundary::retired::RetiredMemory;
use crate::boundary::runtime::{AttachRefusal, Evicted, FlushReport, Runtime};
use crate::boundary::sites::Sites;
use crate::boundary::view::{Moment, View, ViewAnswer, Walk};

/// Asks through a view. Nothing else in the core reads a shared word or a ledger: a record of the
/// answers is a record of all that an event decided by.
#[derive(Clone, Copy)]
pub(crate) struct Asking<'a>(pub(crate) &'a dyn View);

/// Asks for an answer of one kind.
macro_rules! ask {
    ($asking:expr, $kind:ident, $answer:expr) => {
        match $asking.0.ask(&mut || ViewAnswer::$kind($answer)) {
            ViewAnswer::$kind(it) => it,
            other => panic!(
                "it asks for {}, but the answer is to another question: {other:?}",
                stringify!($kind)
            ),
        }
    };
}

/// Of the kernel: see [`View`].
impl<'a> Asking<'a> {
    pub(crate) fn moment(self) -> Moment {
        ask!(self, Moment, self.0.moment())
    }

    pub(crate) fn check_probe(self) -> Result<(), Problem> {
        ask!(self, Refused, self.0.check_probe().err()).map_or(Ok(()), Err)
    }

    pub(crate) fn walk(self, sessions: &[SessionId]) -> Box<dyn Walk + 'a> {
        self.0.walk(sessions)
    }

    pub(crate) fn probe(
        self,
        walk: &dyn Walk,
        session: SessionId,
        clients: &mut dyn Iterator<Item = (u32, Sites)>,
        out: Option<&dyn Fn(u64) -> bool>,
    ) -> Reading {
        ask!(self, Probe, walk.probe(session, clients, out))
    }

    pub(crate) fn blocked(self) -> Vec<u64> {
        ask!(self, Blocked, self.0.blocked())
    }

    pub(crate) fn mapping(self, memory: &RetiredMemory) -> Reading {
        ask!(self, Mapping, self.0.mapping(memory))
    }

    pub(crate) fn is_released(self, words: &AttachmentMemory) -> bool {
        ask!(self, Released, self.0.is_released(words))
    }

    pub(crate) fn are_released(self, frames: &FrameMemory) -> bool {
        ask!(self, Released, self.0.are_released(frames))
    }

    pub(crate) fn is_process_ending(self, pid: u32) -> bool {
        ask!(self, Ending, self.0.is_process_ending(pid))
    }
}

/// Of the words that a client can write.
impl Asking<'_> {
    /// Calls in progress, by all slots.
    pub(crate) fn calls(self, words: &AttachmentMemory) -> u64 {
        ask!(self, Calls, sum(&words.slots()))
    }

    /// Calls of users, as of `fence`.
    pub(crate) fn calls_at(self, words: &AttachmentMemory, fence: &Fence) -> u64 {
        ask!(self, Calls, sum(&words.users_at(fence)))
    }

    /// Slots that count a call.
    pub(crate) fn counting_slots(self, words: &AttachmentMemory) -> u64 {
        let counting = || words.slots().iter().filter(|it| it.count > 0).count() as u64;
        ask!(self, Calls, counting())
    }

    /// The slots that seem to count a user.
    pub(crate) fn users(self, words: &AttachmentMemory) -> Vec<SlotReading> {
        ask!(self, Users, words.users())
    }

    /// The slots that count a call.
    pub(crate) fn callers(self, words: &AttachmentMemory) -> Vec<SlotReading> {
        let counts = |it: &SlotReading| it.count > 0;
        let callers = || words.slots().into_iter().filter(counts).collect();
        ask!(self, Users, callers())
    }

    /// Whether callers seem to be inside, or frames to be held.
    pub(crate) fn is_in_use(self, words: &AttachmentMemory) -> bool {
        ask!(
            self,
            Used,
            !words.users().is_empty() || !words.held().is_empty()
        )
    }

    /// As [`Self::is_in_use`], as of a fence of its own.
    pub(crate) fn is_in_use_now(self, words: &AttachmentMemory) -> bool {
        let is_used = || !words.users_at(&Fence::new()).is_empty() || !words.held().is_empty();
        ask!(self, Used, is_used())
    }

    pub(crate) fn is_kick_armed(self, words: &AttachmentMemory) -> bool {
        ask!(self, Used, words.is_kick_armed())
    }

    /// Empties the slot of a dead thread. Whether it still belonged to it.
    pub(crate) fn reclaim_slot(self, words: &AttachmentMemory, dead: &SlotReading) -> bool {
        ask!(self, Used, words.reclaim_slot(dead))
    }
}

/// Of the runtime and its ledgers, while they are here.
impl Asking<'_> {
    /// Settles the loans. The violations that it finds.
    pub(crate) fn settle<R: Runtime>(self, runtime: &mut R) -> Vec<(u64, Violation)> {
        let mut settle = || {
            runtime.settle();
            let all = runtime.lenders_mut();
            let violated = |it: &mut Lender| Some((it.attachment(), it.take_violation()?));
            all.filter_map(violated).collect()
        };
        ask!(self, Violations, settle())
    }

    /// Frames on loan.
    pub(crate) fn loaned<R: Runtime>(self, runtime: &R) -> u64 {
        let loaned = || runtime.lenders().map(|it| it.loaned() as u64).sum();
        ask!(self, Frames, loaned())
    }

    /// Frames that were loaned, returned and taken back, by these ledgers.
    pub(crate) fn totals<'l>(self, lenders: impl Iterator<Item = &'l Lender> + Clone) -> [u64; 3] {
        let totals = || {
            lenders
                .clone()
                .fold([0; 3], |[lent, returned, withdrawn], it| {
                    [
                        lent + it.published(),
                        returned + it.returned(),
                        withdrawn + it.withdrawn(),
                    ]
                })
        };
        ask!(self, Totals, totals())
    }

    /// Credits the loans of a process that is gone. Frames.
    pub(crate) fn credit_process(self, lender: &mut Lender) -> u64 {
        ask!(self, Frames, lender.credit_dead_process().len() as u64)
    }

    /// Credits the frame that a dead thread had taken. Frames.
    pub(crate) fn credit_thread<R: Runtime>(
        self,
        runtime: &mut R,
        attachment: u64,
        slot: &SlotReading,
    ) -> u64 {
        let mut credit = || {
            let mut lenders = runtime.lenders_mut();
            let lender = lenders.find(|it| it.attachment() == attachment);
            u64::from(lender.is_some_and(|it| it.credit_dead_thread(slot).is_some()))
        };
        ask!(self, Frames, credit())
    }

    /// Adds an attachment to the runtime.
    pub(crate) fn attach<R: Runtime>(
        self,
        runtime: &mut R,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
    ) -> Result<(), AttachRefusal> {
        let mut parts = Some((lender, frames));
        let mut attach = || {
            let (lender, frames) = parts.take()?;
            runtime.attach(lender, frames).err().map(|it| it.0)
        };
        let refused = ask!(self, NotAttached, attach());
        // A record says that it was added.
        if let (None, Some((lender, frames))) = (refused, parts) {
            let _ = runtime.attach(lender, frames);
        }
        refused.map_or(Ok(()), Err)
    }

    /// Frames revoked and set aside of an evicted client.
    pub(crate) fn revoked(self, evicted: &Evicted) -> (u64, u64) {
        ask!(self, Revoked, (evicted.revoked, evicted.set_aside))
    }

    /// The completed flushes, and the frames that are not sent: also those that the poller had not collected.
    pub(crate) fn flushes<R: Runtime>(self, runtime: &mut R) -> (Vec<FlushReport>, u64) {
        let mut flushes = || {
            let collected = runtime.unsent();
            let submitted = runtime.settle();
            let unsent = collected + mutant!("flush: only collected frames count", 0, submitted);
            (std::iter::from_fn(|| runtime.flushed()).collect(), unsent)
        };
        ask!(self, Flushes, flushes())
    }
}

fn sum(slots: &[SlotReading]) -> u64 {
    slots.iter().map(SlotReading::calls).sum()
}
