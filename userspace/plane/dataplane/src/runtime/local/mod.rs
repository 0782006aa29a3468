//! Runtime of a local session: each frame that one client submits is loaned to all others, without a copy or a packet.
//!
//! The session has one frame memory. One attachment, the *filler*, has it mapped writable; the others, its readers,
//! cannot write to it. A frame goes round:
//!
//! 1. *Offered.* A frame that no client has on loan is loaned to the filler, empty, as to the client of a send session,
//!    until the filler has its quota.
//! 2. *Submitted.* The filler returns it with its place in the order of submission. The next look finds it.
//! 3. *Published.* It is loaned to every reader as a received frame is ([`Attachments::loan`]): a reader with its whole
//!    quota on loan loses its oldest untaken frame. The filler waits for no reader.
//! 4. *Free.* Once the last reader has returned it, it can be offered again. For some time after the start of a restored
//!    session the newest are kept, as those of a receive session are, for a reader that comes back after the filler.
//!
//! There are frames for the quota of each attachment and one more, so a free one is always there.
//!
//! No packet wakes the poller, and the client has no way to: it looks every [`LOOK_NS`] while it is awake, and sleeps
//! [`REST_NS`] at a time while a filler is attached.
//!
//! The filler can still write to a frame that it has submitted. Its readers then see a mix: that is its own picture. It
//! never harms another filler: the engine admits the next one only when no process can write any more, and each frame is
//! offered to that one only when its pages are others (`renewing.rs`).
//!
//! A frame that is submitted open (`submit_open`) is not published: the library refuses it for a local session.
//!
//! *Described.* A session's filler may describe its frames, as those of another session that it makes them of: it writes
//! the description where the daemon wrote that of the loan. Its readers see what it says, within bounds, and the
//! numbers of the frames that it left out are counted as `frames_not_converted`.

mod renewing;

use std::collections::VecDeque;
use std::sync::Arc;

use onair_essence::send::Packetise as _;
use onair_essence::{Format, Packetiser};
use onair_ipc::frames::FrameMemory;
use onair_ipc::meta::{FrameMeta, MissingRange};
use onair_session::{Evicted, FlushReport};

use crate::clock::MediaClock;
use crate::runtime::attachment::{Attachments, Parts};
use crate::runtime::kept_units::KeptUnits;
use crate::runtime::refusal::RuntimeError;
use crate::stats::SessionStats;
use renewing::Renewing;

/// Between two looks of a poller that is awake, in nanoseconds.
const LOOK_NS: u64 = 20_000;
/// Longest sleep of a poller beside a filler, in nanoseconds: what a frame may wait, and 2,000 wake-ups a second.
const REST_NS: u64 = 500_000;
/// A filler that was away for longer than these frames has left out no more: about an hour.
const MOST_LEFT_OUT: u64 = 1 << 18;
/// Room for a packet of any format: none is sent, the packetiser only tells fields apart.
const PACKET_BYTES: usize = 8_960;

/// Configuration of a local session.
#[derive(Debug, Clone)]
pub struct LocalConfig {
    /// Format of its units.
    pub format: Format,
    /// Bytes of its largest frame.
    pub frame_bytes: usize,
    /// The filler describes its frames: times, number, field and missing bytes are another session's.
    pub is_described: bool,
    /// Most attachments at once, the filler included.
    pub max_attachments: usize,
    /// The clock of its frames' timestamps.
    pub clock: Arc<MediaClock>,
}

/// Passes frames from one client to the others.
pub(crate) struct Local {
    /// Tells which field of a frame a unit is; `None`: the filler describes it.
    tags: Option<Packetiser>,
    /// Most bytes that a description may call missing.
    unit_bytes: u32,
    /// The number of the last frame that was described.
    described: Option<u64>,
    /// Of the RTP timestamps.
    hz: u32,
    clock: Arc<MediaClock>,
    frames: FrameMemory,
    /// Where the search for a free frame starts: the frame that was free the longest.
    next: u32,
    number: u64,
    /// The last filler, and how many frames it has submitted.
    filler: (Option<u64>, u64),
    /// Frames of one look, while they are sorted into the order of submission.
    fresh: Vec<(u64, u32)>,
    /// The session stops: nothing is offered.
    is_closed: bool,
    looks_at_ns: u64,
    flushed: VecDeque<FlushReport>,
    kept: KeptUnits,
    renewing: Renewing,
    pub(crate) attachments: Attachments,
    stats: Arc<SessionStats>,
}

impl std::fmt::Debug for Local {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Local")
            .field("number", &self.number)
            .field("filler", &self.filler)
            .field("attachments", &self.attachments)
            .finish_non_exhaustive()
    }
}

impl Local {
    pub(crate) fn new(
        config: LocalConfig,
        frames: FrameMemory,
        stats: Arc<SessionStats>,
    ) -> Result<Self, RuntimeError> {
        let (have, need) = (frames.frame_bytes() as usize, config.frame_bytes);
        if have < need {
            return Err(RuntimeError::FrameBytes { have, need });
        }
        let loans = frames.count() as usize;
        let attachments = Attachments::new(Arc::clone(&stats), config.max_attachments, loans);
        Ok(Self {
            tags: match config.is_described {
                true => None,
                false => Some(config.format.packetiser(PACKET_BYTES)?),
            },
            unit_bytes: u32::try_from(config.format.unit_bytes()).unwrap_or(u32::MAX),
            described: None,
            hz: config.format.clock_hz(),
            clock: config.clock,
            renewing: Renewing::of(frames.count()),
            frames,
            next: 0,
            number: 0,
            filler: (None, 0),
            fresh: Vec::with_capacity(loans),
            is_closed: true,
            looks_at_ns: 0,
            flushed: VecDeque::new(),
            kept: KeptUnits::default(),
            attachments,
            stats,
        })
    }

    pub(crate) fn count(&self) -> u32 {
        self.frames.count()
    }

    pub(crate) fn resume(&mut self, now_ns: u64) {
        self.is_closed = false;
        // What another session carried during the stop is not missing here.
        self.described = None;
        self.kept.start(now_ns);
        self.look(now_ns);
    }

    /// Publishes what is submitted, and offers no more.
    pub(crate) fn quiesce(&mut self, now_ns: u64) {
        self.is_closed = true;
        self.look(now_ns);
        self.keep_no_more();
    }

    /// When the next look is due.
    pub(crate) fn due_ns(&self) -> u64 {
        match self.filler_at() {
            Some(_) if !self.is_closed => self.looks_at_ns,
            None if self.kept.are_kept() => self.looks_at_ns,
            _ => u64::MAX,
        }
    }

    /// Until when the poller may sleep if the session is due at `due_ns`.
    pub(crate) const fn rests_until(due_ns: u64) -> u64 {
        due_ns.saturating_add(REST_NS - LOOK_NS)
    }

    /// Publishes what the filler has submitted, in its order, and offers it free frames. Returns whether there was any.
    pub(crate) fn look(&mut self, now_ns: u64) -> bool {
        self.looks_at_ns = now_ns.saturating_add(LOOK_NS);
        let Some(at) = self.filler_at() else {
            self.catch_up(now_ns);
            return false;
        };
        let (attachments, fresh) = (&mut self.attachments, &mut self.fresh);
        attachments.reap_submitted(at, |it| {
            if it.open.is_none() {
                fresh.push((it.order, it.frame));
            }
        });
        self.fresh.sort_unstable();
        let submitted = self.fresh.len() as u64;
        self.note_filler(at, submitted);
        let fresh = std::mem::take(&mut self.fresh);
        let first = self.filler.1 - submitted;
        for (unit, (_, frame)) in (first..).zip(&fresh) {
            self.publish((at, *frame), unit, now_ns);
        }
        self.fresh = fresh;
        self.fresh.clear();
        self.catch_up(now_ns);
        self.renew(now_ns);
        self.offer(at, now_ns);
        submitted > 0
    }

    fn filler_at(&self) -> Option<usize> {
        self.attachments.iter().position(|it| it.lender.fills())
    }

    fn note_filler(&mut self, at: usize, submitted: u64) {
        let filler = self.attachments.iter().nth(at);
        let filler = filler.map(|it| it.lender.attachment());
        if self.filler.0 != filler {
            self.filler = (filler, 0);
        }
        self.filler.1 += submitted;
    }

    /// Loans a frame to all readers; `unit` is its number among those of its filler.
    fn publish(&mut self, (at, frame): (usize, u32), unit: u64, now_ns: u64) {
        let media_time_ns = now_ns.saturating_add(self.clock.ahead_ns());
        let meta = match &self.tags {
            None => self.description(at, frame, now_ns),
            Some(tags) => FrameMeta {
                number: self.number,
                rtp_timestamp: ticks(media_time_ns, self.hz),
                first_packet_ns: now_ns,
                last_packet_ns: now_ns,
                tag: tags.tag_of_unit(unit),
                media_time_ns,
                ..FrameMeta::default()
            },
        };
        self.number = meta.number + 1;
        self.attachments.loan(frame, &meta);
        if self.kept.are_kept() {
            self.kept.push(frame, &meta);
        }
        let counters = &self.stats.counters;
        match meta.is_complete() {
            true => counters.frames_complete.add(1),
            false => counters.frames_incomplete.add(1),
        }
        counters.last_frame_ns.set(meta.last_packet_ns);
    }

    /// Checked description of the frame that the filler at `at` submits. A client wrote it: readers get no range
    /// beyond the frame and no time to come; a tag that means nothing to them is a whole unit. The numbers continue
    /// those of this session, with the gaps that the filler's have.
    fn description(&mut self, at: usize, frame: u32, now_ns: u64) -> FrameMeta {
        let filler = self.attachments.iter().nth(at).expect("it has submitted");
        let said = filler.lender.description(frame);
        let last = self.described.replace(said.number);
        let left_out = last.map_or(0, |last| said.number.saturating_sub(last.saturating_add(1)));
        let left_out = left_out.min(MOST_LEFT_OUT);
        self.stats.counters.frames_not_converted.add(left_out);
        let most = self.unit_bytes;
        FrameMeta {
            number: self.number + left_out,
            first_packet_ns: said.first_packet_ns.min(now_ns),
            last_packet_ns: said.last_packet_ns.min(now_ns),
            bytes_missing: said.bytes_missing.min(most),
            missing: said.missing.map(|range| {
                let offset = range.offset.min(most);
                let len = range.len.min(most - offset);
                MissingRange { offset, len }
            }),
            ..said
        }
    }

    fn offer(&mut self, at: usize, now_ns: u64) {
        loop {
            let filler = self.attachments.iter().nth(at);
            let has_room = filler
                .is_some_and(|it| it.leaves_at.is_none() && it.lender.loaned() < it.lender.quota());
            if self.is_closed || !has_room {
                return;
            }
            let Some(frame) = self.free_frame() else {
                return;
            };
            self.next = (frame + 1) % self.frames.count();
            if !self.attachments.offer(at, frame, now_ns) {
                return;
            }
        }
    }

    /// Publishes what is submitted so far. [`Self::flushed`] says how many these were.
    pub(crate) fn flush(&mut self, ticket: u64, now_ns: u64) {
        let before = self.number;
        self.look(now_ns);
        self.flushed.push_back(FlushReport {
            ticket,
            sent: self.number - before,
            dropped: 0,
        });
    }

    pub(crate) fn has_flushed(&self) -> bool {
        !self.flushed.is_empty()
    }

    pub(crate) fn flushed(&mut self) -> Option<FlushReport> {
        self.flushed.pop_front()
    }

    /// An attachment leaves: what it has submitted is published first.
    pub(crate) fn dismiss(&mut self, attachment: u64, now_ns: u64) {
        if let Some(leaving) = self.attachments.get_mut(attachment) {
            leaving.leaves_at = Some(now_ns);
            self.look(now_ns);
        }
    }

    /// Removes an attachment while the control thread owns the runtime.
    pub(crate) fn remove(&mut self, attachment: u64) -> Option<Parts> {
        self.drop_work_of(attachment);
        self.attachments.remove(attachment)
    }

    pub(crate) fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        self.drop_work_of(attachment);
        self.attachments.evict(attachment)
    }

    /// Counts frames that it has submitted since the last look as dropped.
    fn drop_work_of(&mut self, attachment: u64) {
        let Some(at) = self.filler_at() else {
            return;
        };
        let filler = self.attachments.iter().nth(at);
        if filler.is_some_and(|it| it.lender.attachment() == attachment) {
            let mut dropped = 0;
            self.attachments.reap_submitted(at, |_| dropped += 1);
            let counters = &self.stats.counters;
            counters.frames_dropped_detached.add(dropped);
        }
    }
}

/// The low 32 bits of the ticks until a time of TAI: the timestamp that a sender gives it (ST 2110-10).
fn ticks(tai_ns: u64, hz: u32) -> u32 {
    let all = u128::from(tai_ns) * u128::from(hz) / 1_000_000_000;
    u32::try_from(all & u128::from(u32::MAX)).expect("32 bits")
}

#[cfg(test)]
mod tests;
