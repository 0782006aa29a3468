//! A send session's poller half beside the ledgers: submitted frames that wait for the wire, and flushes that wait
//! for them.

use std::collections::{BTreeMap, VecDeque};

use onair_ipc::frames::FrameMemory;
use onair_ipc::lender::{Lender, Submission};
use onair_session::{FlushReport, Runtime as _};

use crate::ledgers::Ledgers;

/// Where the second half of a stamp is.
pub(crate) const LAST: usize = 56;
/// Bytes of a half.
pub(crate) const HALF: usize = 8;

/// Submitted frames and flushes.
#[derive(Debug, Default)]
pub(crate) struct Sending {
    /// The frames of each attachment.
    pub(crate) frames: BTreeMap<u64, FrameMemory>,
    pub(crate) unsent: VecDeque<Unsent>,
    open: Vec<OpenFlush>,
    pub(crate) over: VecDeque<FlushReport>,
}

/// A submitted frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unsent {
    pub(crate) attachment: u64,
    pub(crate) frame: u32,
    /// Of one that was submitted open.
    pub(crate) serial: Option<u32>,
    stamps: [u64; 2],
}

#[derive(Debug)]
struct OpenFlush {
    waits_for: Vec<u64>,
    report: FlushReport,
}

/// Fate of a submitted frame.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fate {
    /// The client's stamps in both halves.
    pub(crate) stamps: [u64; 2],
    /// Whether it was sent, or dropped.
    pub(crate) is_sent: bool,
}

impl Sending {
    /// Collects what `look` finds submitted.
    pub(crate) fn collect(
        &mut self,
        ledgers: &mut Ledgers,
        look: impl Fn(&mut Lender, &mut dyn FnMut(Submission)),
    ) {
        for lender in ledgers.lenders_mut() {
            let mut submitted = Vec::new();
            look(lender, &mut |it| {
                submitted.push((it.order, it.frame, it.open))
            });
            submitted.sort_unstable();
            let attachment = lender.attachment();
            for (_, frame, serial) in submitted {
                self.unsent.push_back(Unsent {
                    attachment,
                    frame,
                    serial,
                    stamps: self.read(attachment, frame),
                });
            }
        }
    }

    /// Reads the stamps of a frame.
    fn read(&self, attachment: u64, frame: u32) -> [u64; 2] {
        let mut halves = [[0; 8]; 2];
        if let Some(memory) = self.frames.get(&attachment) {
            memory.read(frame, 0, &mut halves[0]);
            memory.read(frame, LAST, &mut halves[1]);
        }
        halves.map(u64::from_ne_bytes)
    }

    /// The next frame was filled since it was submitted.
    pub(crate) fn reread(&mut self) {
        if let Some(Unsent {
            attachment, frame, ..
        }) = self.unsent.front().copied()
        {
            self.unsent[0].stamps = self.read(attachment, frame);
        }
    }

    /// Sends or drops the first frame that is `wanted`.
    pub(crate) fn settle(
        &mut self,
        is_sent: bool,
        wanted: impl Fn(&Unsent) -> bool,
    ) -> Option<Fate> {
        let at = self.unsent.iter().position(wanted)?;
        let unsent = self.unsent.remove(at)?;
        let mut stamps = unsent.stamps;
        if unsent.serial.is_some() && !is_sent {
            // No byte goes that its client has not filled.
            stamps[1] = stamps[0];
        }
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

    /// Begins a flush of all that is submitted now.
    pub(crate) fn flush(&mut self, ticket: u64) {
        let waits_for = self.unsent.iter().map(|it| it.stamps[0]).collect();
        let report = FlushReport {
            ticket,
            sent: 0,
            dropped: 0,
        };
        self.open.push(OpenFlush { waits_for, report });
        self.end_flushes();
    }

    fn end_flushes(&mut self) {
        let over = self.open.extract_if(.., |it| it.waits_for.is_empty());
        self.over.extend(over.map(|it| it.report));
    }
}
