//! Copies packets into frames by a DMA engine, while the poller reads the next packets' headers.
//!
//! What is copied stays: the copier owns the packets, and shares the frames' memory, until the copies of them
//! have ended. [`Copier::settle`] waits for that, once a turn, so that commands, stops and ends never meet a copy
//! under way. A copy that the engine refuses or that fails is the core's.

mod channel;
mod copies;

pub use channel::Channel;
pub use copies::{Copies, Counted};

use onair_dpdk::{Burst, DmaChannel, Mbuf};

/// Most bursts whose copies are under way.
const BURSTS: usize = 8;
/// Packets of the least burst that is worth the wait for the engine.
const LEAST_BURST: usize = 8;

/// The copies of one poller.
#[derive(Debug)]
pub struct Copier<C: Channel = DmaChannel> {
    bursts: Vec<Burst>,
    used: usize,
    copies: Copies<C>,
}

impl<C: Channel> Copier<C> {
    /// Copies by `channel`.
    pub fn new(channel: C) -> Self {
        Self {
            bursts: (0..BURSTS).map(|_| Burst::new()).collect(),
            used: 0,
            copies: Copies::new(channel),
        }
    }

    /// Whether the engine is to copy from this burst.
    #[inline]
    pub fn wants(&self, burst: &Burst) -> bool {
        burst.len() >= LEAST_BURST && self.copies.has_engine()
    }

    /// Takes the packets of `burst`, and lets `work` read them and begin copies of their bytes.
    #[inline]
    pub fn lend<R>(
        &mut self,
        burst: &mut Burst,
        work: impl FnOnce(&[Mbuf], &mut Copies<C>) -> R,
    ) -> R {
        if self.used == self.bursts.len() {
            self.settle();
        }
        let taken = &mut self.bursts[self.used];
        taken.take_all(burst);
        self.used += 1;
        self.copies.allow(taken);
        let result = work(taken, &mut self.copies);
        self.copies.submit();
        result
    }

    /// Waits for all copies and gives back the packets of the last burst.
    pub fn give_back(&mut self, burst: &mut Burst) {
        self.copies.wait();
        if let Some(last) = self.used.checked_sub(1) {
            burst.take_all(&mut self.bursts[last]);
        }
        self.settle();
    }

    /// Waits until all copies have ended, and frees their packets.
    #[inline]
    pub fn settle(&mut self) {
        self.copies.wait();
        for burst in &mut self.bursts[..self.used] {
            burst.clear();
        }
        self.used = 0;
    }

    /// What was copied since it was made.
    pub fn counted(&self) -> Counted {
        self.copies.counted()
    }
}

impl<C: Channel> Drop for Copier<C> {
    fn drop(&mut self) {
        self.settle();
    }
}
