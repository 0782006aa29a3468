//! Wakes sleepers after the first one, a few at a time, so that other work is served in between.
//!
//! A stop wakes one sleeper, which wakes all others ([`AttachmentMemory::stop`]). So the work of
//! the control thread is bounded, whatever a client does with its threads. If only few threads
//! sleep, they need not wait for that one: the code that closes a gate or moves an event count
//! enters the attachment here, and the control thread also wakes as many threads as a client has
//! slots of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use onair_ipc::layout::OWN_SLOTS;
use onair_ipc::memory::AttachmentMemory;
use onair_mutant::mutant;

/// Sleepers woken in one turn, about 2 µs each.
const CHUNK: u32 = 64;
/// Maximum number of sleepers of one attachment that are woken from here. The client says how many
/// there are, and one thread may sleep on a word 128 times: the limit bounds the kernel's work.
const MOST: u32 = OWN_SLOTS as u32;

/// Attachments whose event counts were moved, each with the number of threads that may still sleep.
#[derive(Debug, Default)]
pub struct Waking {
    rest: VecDeque<(Arc<AttachmentMemory>, u32)>,
}

impl Waking {
    /// Enters an attachment whose event counts were moved.
    ///
    /// Wakes as many threads as slept at that moment, at most [`MOST`]. Without that limit, a
    /// thread that wakes and sleeps again, which the kernel then counts as woken, would keep the
    /// attachment here forever.
    pub fn enter(&mut self, memory: &Arc<AttachmentMemory>) {
        let sleepers = mutant!(
            "stop: wakes as many as the client says",
            memory.sleepers(),
            memory.sleepers().min(MOST)
        );
        if sleepers == 0 {
            return;
        }
        let entered = self
            .rest
            .iter_mut()
            .find(|(other, _)| other.attachment() == memory.attachment());
        match entered {
            Some((_, left)) => *left = sleepers.max(*left),
            None => self.rest.push_back((Arc::clone(memory), sleepers)),
        }
    }

    /// Wakes the next few. An attachment with more sleepers goes to the end of the queue.
    pub fn turn(&mut self) {
        let mut budget = CHUNK;
        while budget > 0
            && let Some((memory, left)) = self.rest.pop_front()
        {
            let some = budget.min(left);
            let more = memory.wake_some(u16::try_from(some).unwrap_or(u16::MAX));
            if more && left > some {
                self.rest.push_back((memory, left - some));
            }
            budget -= some;
        }
    }

    /// Whether no sleepers are left to wake from here.
    pub fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Wakes the rest at once: no other work is served any more.
    pub fn finish(&mut self) {
        while !self.is_done() {
            self.turn();
        }
    }
}
