//! A send session's time: its slots are the frames, or interlaced the fields, since the SMPTE Epoch
//! (ST 2059-1).

use std::mem;

use onair_essence::video::pacing::Pacer;
use onair_essence::video::st2110_20::Packetiser;
use onair_essence::video::st2110_21::Declared;

use super::{Phase, Schedule, SendConfig, Sender, packetisers};
use crate::refusal::RuntimeError;

/// The pacer of a sender of the frames of `packetiser`.
///
/// # Errors
/// [`RuntimeError::Cmax`]: the sender type does not allow so many packets.
pub(super) fn pacer(
    packetiser: &Packetiser,
    timing: &Declared,
    max_udp: u16,
) -> Result<Pacer, RuntimeError> {
    let pacer = Pacer::new(packetiser, *timing, max_udp);
    let most = pacer.cmax_of_type();
    match timing.cmax {
        Some(given) if u64::from(given) > most => Err(RuntimeError::Cmax {
            given,
            most,
            sender: timing.sender.unwrap_or_default(),
        }),
        _ => Ok(pacer),
    }
}

impl SendConfig {
    /// Whether a sender can keep to the timing.
    ///
    /// # Errors
    /// [`RuntimeError`]: what [`Runtime::send`](crate::Runtime::send) would refuse, too.
    pub fn check_timing(&self) -> Result<(), RuntimeError> {
        let [frames, _] = packetisers(self)?;
        pacer(&frames, &self.timing, self.max_udp).map(|_| ())
    }
}

impl Sender {
    /// When [`Self::turn`] next has work.
    pub(crate) fn due_ns(&self) -> u64 {
        let next_ns = match self.phase {
            _ if self.is_quiet() => return self.retry_ns.unwrap_or(u64::MAX),
            Phase::Waiting { slot } => {
                let start = self.schedule().frame_start(slot);
                start.saturating_sub(self.ahead_ns)
            }
            Phase::Sending { slot, next, .. } => self.pacer.next_ns(slot, next, self.ahead_ns),
        };
        self.retry_ns.map_or(next_ns, |retry| {
            if self.is_stalled() {
                retry
            } else {
                retry.min(next_ns)
            }
        })
    }

    pub(super) const fn schedule(&self) -> &Schedule {
        self.pacer.schedule()
    }

    /// RTP timestamp of the slot: the low 32 bits of the exact tick (ST 2110-10).
    pub(super) fn timestamp(&self, slot: u64) -> u32 {
        let [.., a, b, c, d] = self.config.format.buffer_rate().ticks(slot).to_be_bytes();
        u32::from_be_bytes([a, b, c, d])
    }

    pub(super) const fn tai_ns(&self, now_ns: u64) -> u64 {
        now_ns.saturating_add(self.ahead_ns)
    }

    /// Takes over the clock, which may have been set since the last frame. Returns the slot to wait for:
    /// another one if the clock was set by more than a frame.
    pub(super) fn follow_clock(&mut self, slot: u64, now_ns: u64) -> u64 {
        let ahead_ns = self.config.clock.ahead_ns();
        let step_ns = ahead_ns.abs_diff(mem::replace(&mut self.ahead_ns, ahead_ns));
        if step_ns <= self.config.format.rate().nanos(1) {
            return slot;
        }
        let slot = self.schedule().frame_at(self.tai_ns(now_ns)) + 1;
        self.phase = Phase::Waiting { slot };
        slot
    }
}
