//! A unit that is sent while its client fills it: packets wait for their steps (lines, samples).
//!
//! A packet goes when its time has come and what it carries is there. Those behind one that waited go no denser than
//! the sender type lets a delayed sender send. Once the rest can no longer end before the next unit must begin, the
//! unit ends there: no packet goes with what was in the memory before.

use std::ops::Range;

use onair_essence::send::Packetise as _;

use super::content::{Content, Submitted};
use super::{Phase, Sender};

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

impl Content {
    /// A client's unit, with the serial of its loan, if it was submitted open.
    pub(super) const fn open(self) -> Option<(Submitted, u32)> {
        match self {
            Self::Client(submitted) => match submitted.open {
                Some(serial) => Some((submitted, serial)),
                None => None,
            },
            Self::Pattern | Self::Nothing => None,
        }
    }
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
}
