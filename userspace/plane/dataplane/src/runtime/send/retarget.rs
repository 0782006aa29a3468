//! Other addresses and another timing for a sender.

use std::mem;

use onair_essence::send::Packetise as _;

use super::{Phase, Sender, set_source};
use crate::flow::target::FlowTarget;

impl Sender {
    /// Whether to wait for other addresses after the current frame.
    pub(crate) const fn hold_after_the_frame(&mut self, held: bool) {
        self.held = held;
    }

    pub(crate) const fn is_between_frames(&self) -> bool {
        matches!(self.phase, Phase::Waiting { .. })
    }

    pub(crate) fn set_target(&mut self, target: FlowTarget) {
        let (config, flow) = (&mut self.config, &mut self.flow);
        config.destination = target.destination;
        config.source_port = target.source_port;
        config.payload_type = target.payload_type;
        config.media_clock_offset = target.media_clock_offset;
        flow.destination = target.destination;
        flow.source.set_port(target.source_port);
        set_source(flow, &self.addresses);
        (config.ttl, flow.ttl) = (target.ttl, target.ttl);
        (config.dscp, flow.dscp) = (target.dscp, target.dscp);
        if let Some(second) = &mut self.second {
            second.set_target(&target);
        }
        if let Some((second, target)) = config.second.as_mut().zip(target.second) {
            second.target = target;
        }
        let before = mem::replace(&mut config.format, target.format);
        // The control thread has checked it: what it refuses does not come here.
        match config.packetiser() {
            Ok(packetiser) => self.packetiser = packetiser,
            Err(_) => config.format = before,
        }
    }

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
