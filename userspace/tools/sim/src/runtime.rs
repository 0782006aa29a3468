//! The poller's half of a session, as lives play it.

use std::collections::VecDeque;

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::meta::{FrameMeta, MissingRange};
use onair_session::{AttachRefusal, Evicted, FlushReport, Runtime};
use onair_sim_kernel::below;
use serde::Serialize;

use crate::ledgers::Ledgers;
use crate::sending::{Fate, Sending, Unsent};

/// The poller's half.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct PlayedRuntime {
    ledgers: Ledgers,
    #[serde(skip)]
    sending: Option<Sending>,
    /// Frames that are received, the oldest first.
    #[serde(skip)]
    open: VecDeque<Arriving>,
    /// Fates of submitted frames since the last [`Self::take_fates`].
    #[serde(skip)]
    fates: Vec<Fate>,
}

/// A frame that is received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arriving {
    pub(crate) frame: u32,
    pub(crate) stamp: u64,
    /// Bytes that stand.
    stands: u32,
}

/// Frames that are received at a time.
const MOST_OPEN: usize = 2;

/// Bytes that stand with the first half, and with both.
pub(crate) const STANDS: [u32; 2] = [8, 64];
/// Steps of a frame that its client fills while it is sent: its halves.
const FILLED: u32 = 2;

impl PlayedRuntime {
    pub(crate) fn new(sends: bool) -> Self {
        Self {
            ledgers: Ledgers::default(),
            sending: sends.then(Sending::default),
            open: VecDeque::new(),
            fates: Vec::new(),
        }
    }

    /// Whether no client of a receive session has the frame.
    pub(crate) fn is_free(&self, frame: u32) -> bool {
        let is_open = self.open.iter().any(|it| it.frame == frame);
        !is_open && self.ledgers.is_free(frame)
    }

    /// Begins to receive a frame of a receive session, whose first half is there: clients that take such have it.
    pub(crate) fn publish_open(&mut self, frame: u32, stamp: u64) {
        if self.open.len() == MOST_OPEN {
            return;
        }
        let open = Arriving {
            frame,
            stamp,
            stands: STANDS[0],
        };
        self.open.push_back(open);
        let meta = open.meta();
        for lender in self.ledgers.lenders_mut() {
            if lender.ask_for_open() {
                let _ = lender.publish_open(frame, &meta);
                lender.advance(frame, STANDS[0]);
            }
        }
    }

    /// The oldest frame that is received.
    pub(crate) fn arriving(&self) -> Option<Arriving> {
        self.open.front().copied()
    }

    /// All of it is there.
    pub(crate) fn advance(&mut self) {
        if let Some(open) = self.open.front_mut() {
            open.stands = STANDS[1];
            for lender in self.ledgers.lenders_mut() {
                lender.advance(open.frame, STANDS[1]);
            }
        }
    }

    /// Its end, perhaps with a hole: clients that do not have it get it now.
    pub(crate) fn end_open(&mut self) {
        let Some(open) = self.open.pop_front() else {
            return;
        };
        for lender in self.ledgers.lenders_mut() {
            if !lender.end_open(open.frame, &open.meta()) && !lender.has(open.frame) {
                let _ = lender.publish(open.frame, &open.meta());
            }
        }
    }

    /// Whether an attachment has the frame on loan, if its ledger is here.
    pub(crate) fn has(&self, attachment: u64, frame: u32) -> Option<bool> {
        let mut all = self.ledgers.lenders();
        let lender = all.find(|it| it.attachment() == attachment);
        lender.map(|it| it.has(frame))
    }

    /// Loans a frame of a receive session. `drops_unread`: clients without quota lose the oldest that they
    /// have not read.
    pub(crate) fn publish(&mut self, frame: u32, drops_unread: bool) {
        let all = self.ledgers.lenders_mut().filter(|_| drops_unread);
        for lender in all.filter(|it| it.loaned() >= it.quota()) {
            let _ = lender.drop_oldest();
        }
        self.ledgers.publish(frame);
    }

    /// Attachments whose words no client writes that follows the protocol.
    pub(crate) fn violators(&mut self) -> Vec<u64> {
        let all = self.ledgers.lenders_mut();
        let broken = all.filter_map(|it| it.take_violation().map(|_| it.attachment()));
        broken.collect()
    }

    /// Loans each client of a send session an empty frame of its own, if it has one.
    pub(crate) fn lend_empty(&mut self) {
        let Some(sending) = &self.sending else {
            return;
        };
        for lender in self.ledgers.lenders_mut() {
            let of = lender.attachment();
            let is_unsent = |frame| {
                let mut unsent = sending.unsent.iter();
                unsent.any(|it| it.attachment == of && it.frame == frame)
            };
            let frames = lender.memory().geometry().frames;
            let chosen = u32::try_from(below(frames as usize)).unwrap_or(0);
            if !lender.has(chosen) && !is_unsent(chosen) {
                let _ = lender.publish(chosen, &FrameMeta::default());
            }
        }
    }

    /// Credits what was given back, and collects what was submitted.
    pub(crate) fn reap(&mut self) {
        match &mut self.sending {
            Some(sending) => {
                sending.collect(&mut self.ledgers, |lender, each| lender.collect(each))
            }
            None => self.ledgers.reap(),
        }
    }

    /// Sends one frame. One that its client still fills waits, or ends as it is.
    pub(crate) fn send_one(&mut self) {
        let Some(sending) = &mut self.sending else {
            return;
        };
        let Some(next) = sending.unsent.front().copied() else {
            return;
        };
        let its = |it: &&Lender| it.attachment() == next.attachment;
        let lender = self.ledgers.lenders().find(its);
        let progress = |serial| lender.map_or(0, |it| it.progress(next.frame, serial));
        let is_filled = next.serial.is_none_or(|serial| progress(serial) >= FILLED);
        if !is_filled && below(3) > 0 {
            return;
        }
        if is_filled && next.serial.is_some() {
            sending.reread();
        }
        self.fates.extend(sending.settle(is_filled, |_| true));
    }

    /// Drops what is not sent: of one attachment, or all.
    pub(crate) fn drop_unsent(&mut self, of: Option<u64>) {
        let Some(sending) = &mut self.sending else {
            return;
        };
        let is_its = |it: &Unsent| of.is_none_or(|of| it.attachment == of);
        while let Some(fate) = sending.settle(false, is_its) {
            self.fates.push(fate);
        }
    }

    /// Fates of submitted frames since the last call.
    pub(crate) fn take_fates(&mut self) -> Vec<Fate> {
        std::mem::take(&mut self.fates)
    }

    /// Reports when all that is submitted now has been sent or dropped.
    pub(crate) fn flush(&mut self, ticket: u64) {
        if let Some(sending) = &mut self.sending {
            sending.flush(ticket);
        }
    }
}

impl Arriving {
    /// Its description, if no more comes.
    fn meta(&self) -> FrameMeta {
        let mut meta = FrameMeta::default();
        if self.stands < STANDS[1] {
            meta.bytes_missing = STANDS[1] - self.stands;
            meta.missing[0] = MissingRange {
                offset: self.stands,
                len: meta.bytes_missing,
            };
        }
        meta
    }
}

impl Runtime for PlayedRuntime {
    fn lenders(&self) -> impl Iterator<Item = &Lender> + Clone {
        self.ledgers.lenders()
    }

    fn lenders_mut(&mut self) -> impl Iterator<Item = &mut Lender> {
        self.ledgers.lenders_mut()
    }

    fn settle(&mut self) -> u64 {
        let before = self.unsent();
        match &mut self.sending {
            Some(sending) => sending.collect(&mut self.ledgers, |lender, each| {
                lender.settle_submitted(each)
            }),
            None => _ = self.ledgers.settle(),
        }
        let uncollected = self.unsent() - before;
        self.drop_unsent(None);
        self.open.clear();
        uncollected
    }

    fn attach(
        &mut self,
        lender: Box<Lender>,
        frames: Option<FrameMemory>,
    ) -> Result<(), (AttachRefusal, Box<Lender>, Option<FrameMemory>)> {
        if let (Some(sending), Some(frames)) = (&mut self.sending, frames) {
            sending.frames.insert(lender.attachment(), frames);
        }
        self.ledgers.attach(lender, None)
    }

    fn detach(&mut self, attachment: u64) -> Option<(Box<Lender>, Option<FrameMemory>)> {
        if self.sending.is_some() {
            self.reap();
        }
        let (lender, _) = self.ledgers.detach(attachment)?;
        self.drop_unsent(Some(attachment));
        let sending = self.sending.as_mut();
        Some((lender, sending.and_then(|it| it.frames.remove(&attachment))))
    }

    fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        if self.sending.is_none() {
            return self.ledgers.evict(attachment);
        }
        let (lender, frames) = self.detach(attachment)?;
        Some(Evicted::revoke(lender, frames, &mut Vec::new()))
    }

    fn release(&mut self, is_over: impl Fn(u64) -> bool) {
        self.ledgers.release(is_over);
    }

    fn flushed(&mut self) -> Option<FlushReport> {
        self.sending.as_mut()?.over.pop_front()
    }

    fn unsent(&self) -> u64 {
        self.sending.as_ref().map_or(0, |it| it.unsent.len() as u64)
    }
}
