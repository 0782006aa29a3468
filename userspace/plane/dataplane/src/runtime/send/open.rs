//! A unit that is sent while its client fills it: packets wait for their steps (lines, samples).
//!
//! A packet goes when its time has come and what it carries is there. Those behind one that waited go no denser than
//! the sender type lets a delayed sender send. Once the rest can no longer end before the next unit must begin, the
//! unit ends there: no packet goes with what was in the memory before.

use std::ops::Range;

use onair_essence::send::Packetise as _;
use onair_net::ethernet::Mac;
use onair_session::Evicted;

use super::content::{Content, Submitted};
use super::{Phase, Sender};
use crate::runtime::attachment::Parts;

/// Until the next look at a unit of which a packet waits, in nanoseconds. A poller does not sleep for so short a time.
pub(super) const LOOK_NS: u64 = 5_000;

/// State of the unit that is being sent, if it was submitted open.
#[derive(Debug, Default)]
pub(super) struct OpenUnit {
    /// Steps that are there: the most that the client has said.
    filled: u32,
    /// A packet's time has come and its steps were not there.
    is_late: bool,
    /// In this turn, too.
    pub(super) waits: bool,
    /// It was not begun yet, because its essence reads all of it first.
    is_unread: bool,
}

impl Sender {
    /// A unit begins. Whether its contents may be read now.
    pub(super) fn begin_open(&mut self, content: Content) -> bool {
        let is_unread = content.open().is_some() && self.packetiser.reads_first();
        self.open = OpenUnit {
            is_unread,
            ..OpenUnit::default()
        };
        !is_unread
    }

    /// Up to which of the packets that are `due` the client has filled the unit; `None`: the rest does not go any more.
    pub(super) fn filled(
        &mut self,
        slot: u64,
        due: Range<u32>,
        (unit, serial): (Submitted, u32),
        now_ns: u64,
    ) -> Option<u32> {
        let tag = self.packetiser.tag_of_slot(slot);
        let attachment = self.attachments.get(unit.attachment)?;
        // The client may say anything, at any time.
        let said = attachment.lender.progress(unit.frame, serial);
        let said = said.min(self.packetiser.steps(tag));
        let open = &mut self.open;
        open.filled = open.filled.max(said);
        let is_there = |packet: &u32| self.packetiser.needs(tag, *packet) <= open.filled;
        let filled = due.clone().take_while(is_there).count();
        let filled = due.start + u32::try_from(filled).unwrap_or(0);
        open.waits = filled < due.end;
        open.is_late |= open.waits;
        let leaves = open.waits && attachment.leaves_at.is_some();
        let is_late = open.is_late;
        let is_over = is_late && {
            let it = &self.packetiser;
            it.is_over(slot, due.start, now_ns, self.ahead_ns)
        };
        if leaves || is_over {
            return None;
        }
        if self.open.is_unread && filled > due.start {
            self.open.is_unread = false;
            self.read(tag, Content::Client(unit));
            // Its packets are those of its contents: the next look sees them.
            self.open.waits = true;
            return Some(due.start);
        }
        Some(filled)
    }

    /// Ends the unit in `slot` before packet `next`.
    pub(super) fn end_open(&mut self, slot: u64, next: u32, now_ns: u64) {
        let tag = self.packetiser.tag_of_slot(slot);
        let rest = self.packetiser.packets(tag).saturating_sub(next);
        self.stats.counters.underruns_open.add(1);
        self.stats.counters.packets_not_filled.add(rest.into());
        if next == 0 && self.packetiser.fills_slots() {
            self.read(tag, Content::Nothing);
            self.phase = Phase::Sending {
                slot,
                next,
                content: Content::Nothing,
            };
        } else {
            self.abandon();
        }
        self.collect(now_ns);
    }

    /// Detaches `attachment`: once its submitted frames are sent, [`Self::detached`] returns it.
    /// False if there is no such attachment.
    pub(crate) fn dismiss(&mut self, attachment: u64, now_ns: u64) -> bool {
        self.collect(now_ns);
        let leaves_at = self.gives_up_at(now_ns);
        match self.attachments.get_mut(attachment) {
            Some(leaving) => {
                leaving.leaves_at.get_or_insert(leaves_at);
                self.retry_ns = Some(now_ns);
                true
            }
            None => false,
        }
    }

    /// The next detached attachment without unsent frames.
    pub(crate) fn detached(&mut self) -> Option<Parts> {
        let left = self
            .attachments
            .iter()
            .position(|it| it.leaves_at.is_some() && !self.has_work_of(it.lender.attachment()))?;
        Some(self.attachments.take(left))
    }

    /// Removes an attachment while the control thread owns the runtime.
    pub(crate) fn remove(&mut self, attachment: u64) -> Option<Parts> {
        self.drop_work_of(attachment);
        self.attachments.remove(attachment)
    }

    /// Evicts an attachment: drops what it submitted, also in the middle of a frame.
    pub(crate) fn evict(&mut self, attachment: u64) -> Option<Evicted> {
        self.drop_work_of(attachment);
        self.attachments.evict(attachment)
    }

    fn has_work_of(&self, attachment: u64) -> bool {
        self.under_way()
            .is_some_and(|it| it.attachment == attachment)
            || self.queue.iter().any(|it| it.attachment == attachment)
    }

    /// Drops frames that were not sent before the session's or the client's deadline.
    pub(super) fn give_up(&mut self, now_ns: u64, next_hop: Option<Mac>) {
        if self
            .quiet_at
            .is_some_and(|at| now_ns >= at || next_hop.is_none())
        {
            self.drop_unsent();
        }
        // Each turn leaves one attachment without work.
        while let Some(overdue) = self.overdue(now_ns) {
            self.drop_work_of(overdue);
            debug_assert!(!self.has_work_of(overdue), "{overdue} has work left");
        }
    }

    /// Drops all that is not sent: the session stops.
    pub(crate) fn drop_unsent(&mut self) {
        let under_way = match self.phase {
            Phase::Sending { content, .. } => content != Content::Nothing,
            Phase::Waiting { .. } => false,
        };
        let dropped = self.queue.len() as u64 + u64::from(under_way);
        self.stats.counters.frames_dropped_stop.add(dropped);
        self.queue.clear();
        self.abandon();
    }

    /// A detached attachment with unsent frames whose deadline has passed.
    fn overdue(&self, now_ns: u64) -> Option<u64> {
        self.attachments.iter().find_map(|it| {
            let attachment = it.lender.attachment();
            let late = it.leaves_at.is_some_and(|at| now_ns >= at);
            (late && self.has_work_of(attachment)).then_some(attachment)
        })
    }

    fn drop_work_of(&mut self, attachment: u64) {
        let before = self.queue.len();
        self.queue.retain(|it| it.attachment != attachment);
        let mut dropped = before - self.queue.len();
        if self
            .under_way()
            .is_some_and(|it| it.attachment == attachment)
        {
            self.abandon();
            dropped += 1;
        }
        self.stats
            .counters
            .frames_dropped_detached
            .add(dropped as u64);
    }

    pub(super) fn abandon(&mut self) {
        if let Phase::Sending { slot, .. } = self.phase {
            self.phase = Phase::Waiting { slot: slot + 1 };
        }
    }
}
