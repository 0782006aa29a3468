//! A send session's time: its slots are the units since the SMPTE Epoch (ST 2059-1).

use std::mem;

use onair_essence::send::Packetise as _;

use super::{Phase, Sender};

impl Sender {
    /// When [`Self::turn`] next has work.
    pub(crate) fn due_ns(&self) -> u64 {
        let next_ns = match self.phase {
            _ if self.is_quiet() => return self.retry_ns.unwrap_or(u64::MAX),
            Phase::Waiting { slot } => {
                let start = self.packetiser.slot_start(slot);
                start.saturating_sub(self.ahead_ns)
            }
            Phase::Sending { slot, next, .. } => self.packetiser.next_ns(slot, next, self.ahead_ns),
        };
        self.retry_ns.map_or(next_ns, |retry| {
            if self.is_stalled() {
                retry
            } else {
                retry.min(next_ns)
            }
        })
    }

    pub(super) const fn tai_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add(self.ahead_ns)
    }

    /// Takes over the clock, which may have been set since the last frame. Returns the slot to wait for:
    /// another one if the clock was set by more than a frame.
    pub(super) fn follow_clock(&mut self, slot: u64, now_ns: u64) -> u64 {
        let ahead_ns = self.config.clock.ahead_ns();
        let step_ns = ahead_ns.abs_diff(mem::replace(&mut self.ahead_ns, ahead_ns));
        if step_ns <= self.config.format.period_ns(1) {
            return slot;
        }
        let slot = self.packetiser.slot_at(self.tai_ns(now_ns)) + 1;
        self.phase = Phase::Waiting { slot };
        slot
    }
}
