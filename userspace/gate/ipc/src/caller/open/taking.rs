//! Taking a frame of which so many bytes stand.

use core::sync::atomic::Ordering;
use std::sync::Arc;

use onair_mutant::mutant;

use super::super::call::Entry;
use super::super::lease::Loan;
use super::super::loan_guard::Guard;
use super::super::words::Words;
use super::super::{Attachment, Deadline, LoanGuard, OwnedLoan, Parts, Refusal, claim};
use crate::label;
use crate::pins::Pins;
use crate::progress::{MOST_BYTES, WHOLE};
use crate::slot::Operation;
use crate::sys;

/// An entry of the ready ring, as seen by a caller that wants so many bytes.
enum Found {
    /// No frame to take: another caller has it, or it was taken back.
    Nothing,
    /// A frame of which fewer stand.
    Short(Entry),
    Ready(Entry),
}

impl Attachment {
    /// Takes the oldest frame of which `bytes` stand or that has ended, with a guard; waits for one until
    /// `deadline`. A frame that began before the first such call comes whole.
    ///
    /// # Errors
    /// As [`Attachment::get`].
    pub fn take_open(&self, bytes: u32, deadline: Deadline) -> Result<LoanGuard<'_>, Refusal> {
        let loan = self.win_open(bytes, deadline, None)?;
        Ok(Guard::new(self, loan))
    }

    /// As [`Attachment::take_open`], with a guard that keeps the attachment; with `parts`, a part of that.
    ///
    /// # Errors
    /// As [`Attachment::get`].
    pub fn take_open_owned(
        self: &Arc<Self>,
        bytes: u32,
        deadline: Deadline,
        parts: Option<&mut Parts>,
    ) -> Result<OwnedLoan, Refusal> {
        let loan = self.win_open(bytes, deadline, parts)?;
        Ok(Guard::new(Arc::clone(self), loan))
    }

    fn win_open(
        &self,
        bytes: u32,
        deadline: Deadline,
        parts: Option<&mut Parts>,
    ) -> Result<Loan, Refusal> {
        self.words.ask_for_open();
        let slot = claim::slot_of(self);
        let bytes = bytes.min(MOST_BYTES);
        let entry = self.call(
            Operation::Get,
            slot,
            (deadline, parts),
            Words::progress_made,
            || self.words.pop_from(slot, bytes, &self.pins),
            || None,
        )?;
        Ok(entry.loan(self.id, slot))
    }
}

impl Words {
    /// From now on frames are READY while they are received. This process must know it first: its other calls take no
    /// such frame. The fence is for the poller's last frame before: it sees the word, or this call sees the frame.
    /// SYNC: takes-open.
    fn ask_for_open(&self) {
        if !self.asked_for_open.load(Ordering::Relaxed) {
            self.asked_for_open.store(true, Ordering::Relaxed);
        }
        let word = self.takes_open();
        if word.load(Ordering::Relaxed) == 0 {
            word.store(1, Ordering::SeqCst);
            crate::sync::fence();
        }
    }

    /// Takes the oldest frame of which `bytes` stand or that has ended, and pins it. It leaves alone the others before
    /// it. If there is none, it asks for the wake of the oldest.
    #[inline(never)]
    pub(in super::super) fn pop_from(&self, slot: u16, bytes: u32, pins: &Pins) -> Option<Entry> {
        let head = self.ready_head();
        // Each turn but the last takes a frame, loses one to another caller, or finds that the poller went on.
        loop {
            let first = head.load(Ordering::Acquire);
            let newest = self.ready_tail().load(Ordering::Acquire);
            let mut short = None;
            for at in first.max(newest.saturating_sub(self.ring_len()))..newest {
                let entry = self.ring_entry(at).load(Ordering::Acquire);
                let found = self.look_at(entry, bytes);
                if let Found::Short(entry) = found {
                    short = short.or(Some(entry));
                    continue;
                }
                let taken = match found {
                    Found::Ready(entry) => Some(entry).filter(|it| it.take(self, slot)),
                    _ => None,
                };
                // The head stays before what is left alone.
                if short.is_none() || mutant!("open: the head passes a frame that is left alone") {
                    head.store(at + 1, Ordering::Release);
                }
                if let Some(taken) = taken {
                    pins.pin(taken.frame());
                    label!("take.taken");
                    return Some(taken);
                }
            }
            let short = short.filter(|_| bytes != WHOLE)?;
            if !self.ask(short.frame(), short.serial(), bytes) {
                return None;
            }
        }
    }

    fn look_at(&self, entry: u64, bytes: u32) -> Found {
        let found = Entry::of(entry).and_then(|entry| {
            let word = self.frame(entry.frame())?;
            let (stands, _) = self.progress(entry.frame())?;
            word.is_ready(entry.serial()).then_some((entry, stands))
        });
        match found {
            None => Found::Nothing,
            Some((entry, stands)) if stands.load().has(entry.serial(), bytes) => {
                Found::Ready(entry)
            }
            Some((entry, _)) => Found::Short(entry),
        }
    }

    /// Asks the poller for a wake when `bytes` of this loan stand. Returns whether they do by now, or it has ended.
    /// SYNC: wanted.
    pub(super) fn ask(&self, frame: u32, serial: u32, bytes: u32) -> bool {
        let Some((stands, wanted)) = self.progress(frame) else {
            return true;
        };
        let now = stands.load();
        if now.has(serial, bytes) {
            return true;
        }
        if wanted.ask(serial, bytes, now.bytes)
            && !mutant!("wanted: written over in silence")
            && self.progress_made().notify()
        {
            sys::futex_wake(self.progress_made().word(), sys::ALL);
        }
        label!("open.asked");
        !mutant!("open: no look after it asked") && stands.load().has(serial, bytes)
    }

    /// Whether a call that takes frames while they are received could take one, or one that waits could return.
    pub(in super::super) fn has_progress(&self) -> bool {
        let newest = self.ready_tail().load(Ordering::Acquire);
        let first = self.ready_head().load(Ordering::Acquire);
        let mut entries = first.max(newest.saturating_sub(self.ring_len()))..newest;
        entries.any(|at| {
            let entry = self.ring_entry(at).load(Ordering::Acquire);
            match self.look_at(entry, WHOLE) {
                Found::Nothing => false,
                Found::Ready(_) => true,
                Found::Short(entry) => self.progress(entry.frame()).is_some_and(|it| {
                    let wanted = it.1.of(entry.serial()).unwrap_or(0);
                    it.0.load().has(entry.serial(), wanted)
                }),
            }
        })
    }
}
