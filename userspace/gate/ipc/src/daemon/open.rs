//! Loans of frames that are still received.
//!
//! Such a loan is as any other: it is in the ledger, counts against the quota, is READY until a caller takes it, and is
//! returned, taken back and credited in the same ways. What is different is when its bytes are there: a
//! [`ProgressWord`](crate::progress::ProgressWord) says how many, until it says that the frame has ended.
//!
//! The poller makes one system call for what a client asked for, never one a packet: it wakes a sleeper when the
//! bytes stand that the client's word names, [`WAKES`] times a unit at most. The client may have put the frame by then, or
//! the frame may have been taken back. So the notes here are not of the ledger, and end with the unit.

use onair_mutant::mutant;

use crate::memory::AttachmentMemory;
use crate::meta::FrameMeta;
use crate::progress::ProgressTag;
use crate::sys;

/// Units that are received at a time.
const UNITS: usize = 2;
/// Most wakes a unit, spread over its bytes: a client that asks for each line costs the poller no more.
const WAKES: u64 = 64;
/// Of these, so many at any time.
const WAKES_AT_ONCE: u64 = 8;

/// A unit that was loaned open.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenLoan {
    frame: u32,
    serial: u32,
    bytes: u32,
    /// The highest wish that was served.
    served: u32,
    /// A wish is reached, and its sleeper not woken.
    is_due: bool,
    wakes: u64,
}

/// The open loans of an attachment.
#[derive(Debug, Default)]
pub(super) struct OpenLoans([Option<OpenLoan>; UNITS]);

impl OpenLoans {
    pub(super) fn are_full(&self) -> bool {
        self.0.iter().all(Option::is_some)
    }

    pub(super) fn are_none(&self) -> bool {
        self.0.iter().all(Option::is_none)
    }

    /// Adds a loan that no caller can take yet, of which nothing stands.
    pub(super) fn add(&mut self, memory: &AttachmentMemory, frame: u32, serial: u32) {
        let loan = OpenLoan {
            frame,
            serial,
            bytes: 0,
            served: 0,
            is_due: false,
            wakes: 0,
        };
        memory.words.progress(frame).0.advance(loan.tag(false));
        let place = self.0.iter_mut().find(|it| it.is_none());
        *place.expect("there is room for it") = Some(loan);
    }

    /// So many bytes of `frame` stand.
    pub(super) fn advance(&mut self, memory: &AttachmentMemory, frame: u32, bytes: u32) {
        for loan in self.0.iter_mut().flatten().filter(|it| it.frame == frame) {
            if loan.advance(memory, bytes) && !mutant!("progress: its sleeper is not woken") {
                memory.words.notify_progress();
            }
        }
    }

    /// `frame` has ended. Returns whether it was open.
    pub(super) fn end(&mut self, memory: &AttachmentMemory, frame: u32, meta: &FrameMeta) -> bool {
        let mut loans = self.0.iter_mut();
        let Some(loan) = loans.find_map(|it| it.take_if(|it| it.frame == frame)) else {
            return false;
        };
        memory.words.metas()[frame as usize].write(meta);
        memory.words.progress(frame).0.advance(loan.tag(true));
        // Callers that want it whole sleep on this one.
        let whole = memory.words.frame_ready();
        if !mutant!("open: its end wakes no caller that wants it whole") && whole.notify() {
            sys::futex_wake(whole.word(), 1);
        }
        memory.words.notify_progress();
        true
    }

    /// Ends all as they stand: no more comes.
    pub(super) fn end_all(&mut self, memory: &AttachmentMemory) {
        for loan in self.0.iter_mut().filter_map(Option::take) {
            memory.words.progress(loan.frame).0.advance(loan.tag(true));
        }
    }
}

impl OpenLoan {
    const fn tag(self, ended: bool) -> ProgressTag {
        ProgressTag {
            serial: self.serial,
            ended,
            bytes: self.bytes,
        }
    }

    /// Returns whether a sleeper is to be woken.
    fn advance(&mut self, memory: &AttachmentMemory, bytes: u32) -> bool {
        let (stands, wanted) = memory.words.progress(self.frame);
        self.bytes = self.bytes.max(bytes);
        stands.advance(self.tag(false));
        let is_new = |wanted: &u32| *wanted > self.served && *wanted <= self.bytes;
        if let Some(reached) = wanted.of(self.serial).filter(is_new) {
            (self.served, self.is_due) = (reached, true);
        }
        let is_woken = self.is_due && self.wakes < self.wakes_by(memory.geometry().frame_bytes);
        self.is_due &= !is_woken;
        self.wakes += u64::from(is_woken);
        is_woken
    }

    /// Wakes that it may have had by now.
    fn wakes_by(&self, total: u32) -> u64 {
        let spread = u64::from(self.bytes) * (WAKES - WAKES_AT_ONCE) / u64::from(total.max(1));
        (WAKES_AT_ONCE + spread).min(WAKES)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::frame_word::FrameState;
    use crate::layout::Geometry;
    use crate::lender::{Lender, QuotaUsed};

    fn lender(quota: u32) -> Lender {
        let geometry = Geometry::new(4, 1000).expect("valid");
        let memory = AttachmentMemory::create(1, 1, geometry).expect("memory");
        Lender::new(Arc::new(memory), quota)
    }

    fn moves(lender: &Lender) -> u32 {
        lender.memory().words.progress_made().listen()
    }

    #[test]
    fn open_loan_advances_and_ends_then_its_word_says_so() {
        let mut lender = lender(3);
        lender.publish_open(2, &FrameMeta::default()).unwrap();
        assert!(lender.has_open() && lender.has(2));
        let (word, _) = lender.memory().words.progress(2);
        assert_eq!(word.load().of(1), Some(0));
        lender.advance(2, 40);
        lender.advance(3, 50);
        // A unit never goes back.
        lender.advance(2, 30);
        assert_eq!(lender.memory().words.progress(2).0.load().of(1), Some(40));
        assert_eq!(lender.memory().words.progress(3).0.load().serial, 0);
        let last = FrameMeta {
            number: 9,
            ..FrameMeta::default()
        };
        assert!(!lender.end_open(3, &last) && lender.end_open(2, &last));
        assert!(!lender.end_open(2, &last) && !lender.has_open());
        assert_eq!(lender.memory().words.progress(2).0.load().of(1), None);
        assert_eq!(lender.memory().words.metas()[2].read().number, 9);
        assert_eq!(lender.loaned(), 1);
    }

    #[test]
    fn open_loan_beyond_the_quota_then_refused() {
        let mut lender = lender(1);
        lender.publish_open(0, &FrameMeta::default()).unwrap();
        assert_eq!(
            lender.publish_open(1, &FrameMeta::default()),
            Err(QuotaUsed)
        );
        assert_eq!(lender.drop_oldest(), Some(0));
        // Dropped: its end is no loan.
        assert!(lender.end_open(0, &FrameMeta::default()));
        assert_eq!(lender.loaned(), 0);
    }

    #[test]
    fn open_loan_put_before_its_end_then_credited_once() {
        let mut lender = lender(2);
        lender.publish_open(1, &FrameMeta::default()).unwrap();
        let word = &lender.memory().words.frame_words()[1];
        assert!(word.take(1, 0) && word.release(1, 0).is_ok());
        let mut credited = 0;
        lender.reap(|_| credited += 1);
        lender.advance(1, 10);
        assert!(lender.end_open(1, &FrameMeta::default()));
        lender.reap(|_| credited += 1);
        assert_eq!((credited, lender.loaned()), (1, 0));
        let state = lender.memory().words.frame_words()[1].load().state();
        assert_eq!(state, Some(FrameState::Free));
    }

    #[test]
    fn settle_amid_an_open_loan_then_it_has_ended() {
        let mut lender = lender(2);
        for frame in [0, 1] {
            lender.publish_open(frame, &FrameMeta::default()).unwrap();
        }
        assert!(lender.memory().words.frame_words()[0].take(1, 0));
        lender.advance(0, 7);
        lender.settle(|_| {});
        let (word, _) = lender.memory().words.progress(0);
        let tag = ProgressTag {
            serial: 1,
            ended: true,
            bytes: 7,
        };
        assert_eq!(word.load(), tag);
        assert_eq!(lender.loaned(), 1, "one is held, one was taken back");
    }

    #[test]
    fn progress_wanted_by_none_then_no_notification() {
        let mut lender = lender(2);
        lender.publish_open(0, &FrameMeta::default()).unwrap();
        let before = moves(&lender);
        for count in 1..500 {
            lender.advance(0, count);
        }
        assert_eq!(moves(&lender), before);
        // Of another loan.
        let _ = lender.memory().words.progress(0).1.ask(2, 1, 0);
        lender.advance(0, 600);
        assert_eq!(moves(&lender), before);
        let _ = lender.memory().words.progress(0).1.ask(1, 700, 600);
        lender.advance(0, 699);
        assert_eq!(moves(&lender), before);
        for _ in 0..3 {
            lender.advance(0, 700);
            assert_eq!(moves(&lender), before + 1);
        }
    }

    #[test]
    fn progress_wanted_at_each_byte_then_wakes_are_bounded() {
        let mut lender = lender(2);
        lender.publish_open(0, &FrameMeta::default()).unwrap();
        let before = moves(&lender);
        for count in 1..=1000 {
            let _ = lender.memory().words.progress(0).1.ask(1, count, count - 1);
            lender.advance(0, count);
            if count == u32::try_from(WAKES_AT_ONCE).unwrap() {
                assert_eq!(moves(&lender) - before, count, "the first at once");
            }
        }
        let moved = u64::from(moves(&lender) - before);
        assert!((WAKES - WAKES_AT_ONCE..=WAKES).contains(&moved), "{moved}");
    }
}
