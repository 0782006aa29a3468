//! The poller's half of a session, as lives play it: the ledgers, and in a send session the frames that
//! wait for the wire.

use std::collections::{BTreeMap, VecDeque};

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::Lender;
use onair_ipc::meta::FrameMeta;
use onair_session::{AttachRefusal, Evicted, FlushReport, Runtime};
use onair_sim_kernel::below;
use serde::Serialize;

use crate::ledgers::Ledgers;

/// The poller's half.
#[derive(Debug, Default, Serialize)]
#[serde(transparent)]
pub(crate) struct PlayedRuntime {
    ledgers: Ledgers,
    #[serde(skip)]
    sending: Option<Sending>,
    /// What became of submitted frames since the last [`Self::take_fates`].
    #[serde(skip)]
    fates: Vec<Fate>,
}

/// What a send session has beside the ledgers.
#[derive(Debug, Default)]
struct Sending {
    /// The frames of each attachment.
    frames: BTreeMap<u64, FrameMemory>,
    unsent: VecDeque<Unsent>,
    open: Vec<OpenFlush>,
    over: VecDeque<FlushReport>,
}

/// A submitted frame.
#[derive(Clone, Copy, Debug)]
struct Unsent {
    attachment: u64,
    frame: u32,
    stamps: [u64; 2],
}

#[derive(Debug)]
struct OpenFlush {
    waits_for: Vec<u64>,
    report: FlushReport,
}

/// What became of a submitted frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// What its client wrote in both halves.
    pub(crate) stamps: [u64; 2],
    /// Whether it was sent, or dropped.
    pub(crate) is_sent: bool,
}

/// Where the second half of a stamp is.
pub(crate) const LAST: usize = 56;

impl PlayedRuntime {
    pub(crate) fn new(sends: bool) -> Self {
        Self {
            ledgers: Ledgers::default(),
            sending: sends.then(Sending::default),
            fates: Vec::new(),
        }
    }

    /// Whether no client of a receive session has the frame.
    pub(crate) fn is_free(&self, frame: u32) -> bool {
        self.ledgers.is_free(frame)
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
        let Some(sending) = &mut self.sending else {
            return self.ledgers.reap();
        };
        for lender in self.ledgers.lenders_mut() {
            let mut submitted = Vec::new();
            lender.reap(|credit| {
                submitted.extend(credit.submitted.map(|order| (order, credit.frame)))
            });
            submitted.sort_unstable();
            let of = lender.attachment();
            sending.collect(of, submitted.into_iter().map(|it| it.1));
        }
    }

    /// Sends one frame.
    pub(crate) fn send_one(&mut self) {
        let sending = self.sending.as_mut();
        let sent = sending.and_then(|it| it.settle(true, |_| true));
        self.fates.extend(sent);
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

    /// What became of submitted frames since the last call.
    pub(crate) fn take_fates(&mut self) -> Vec<Fate> {
        std::mem::take(&mut self.fates)
    }

    /// Reports when all that is submitted now has been sent or dropped.
    pub(crate) fn flush(&mut self, ticket: u64) {
        if let Some(sending) = &mut self.sending {
            let waits_for = sending.unsent.iter().map(|it| it.stamps[0]).collect();
            let report = FlushReport {
                ticket,
                sent: 0,
                dropped: 0,
            };
            sending.open.push(OpenFlush { waits_for, report });
            sending.end_flushes();
        }
    }
}

impl Sending {
    fn collect(&mut self, attachment: u64, frames: impl Iterator<Item = u32>) {
        let memory = self.frames.get(&attachment);
        for frame in frames {
            let mut halves = [[0; 8]; 2];
            if let Some(memory) = memory {
                memory.read(frame, 0, &mut halves[0]);
                memory.read(frame, LAST, &mut halves[1]);
            }
            self.unsent.push_back(Unsent {
                attachment,
                frame,
                stamps: halves.map(u64::from_ne_bytes),
            });
        }
    }

    /// Sends or drops the first frame that is `wanted`.
    fn settle(&mut self, is_sent: bool, wanted: impl Fn(&Unsent) -> bool) -> Option<Fate> {
        let at = self.unsent.iter().position(wanted)?;
        let stamps = self.unsent.remove(at)?.stamps;
        for flush in &mut self.open {
            let before = flush.waits_for.len();
            flush.waits_for.retain(|stamp| *stamp != stamps[0]);
            let count = (before - flush.waits_for.len()) as u64;
            match is_sent {
                true => flush.report.sent += count,
                false => flush.report.dropped += count,
            }
        }
        self.end_flushes();
        Some(Fate { stamps, is_sent })
    }

    fn end_flushes(&mut self) {
        let over = self.open.extract_if(.., |it| it.waits_for.is_empty());
        self.over.extend(over.map(|it| it.report));
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
        if self.sending.is_some() {
            self.reap();
        }
        let uncollected = self.unsent() - before;
        self.drop_unsent(None);
        self.ledgers.settle();
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
