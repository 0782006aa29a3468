//! Whether producers may hand in events, and who is just doing so.
//!
//! The *cut* is one store: whoever looks after it is turned away. A producer may have looked before
//! and still be putting its event into its ring, so the drain thread asks [`Gate::everybody_out`]
//! before it believes that a ring stays empty. That costs producers two plain stores for each event
//! and the drain thread a membarrier(2): the cost is on the rare side.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, compiler_fence, fence};

use rustix::thread::{MembarrierCommand, membarrier};

use crate::books::ProducerTotals;

/// What a producer finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Events are taken.
    Open = 0,
    /// The disk is full: events are counted and not taken.
    DiskFull = 1,
    /// Files cannot be written for another reason: the same.
    DiskFault = 2,
    /// For good.
    Closed = 3,
}

impl Door {
    const fn from_bits(bits: u8) -> Self {
        match bits {
            0 => Self::Open,
            1 => Self::DiskFull,
            2 => Self::DiskFault,
            _ => Self::Closed,
        }
    }
}

/// The door of one recording.
#[derive(Debug)]
pub(crate) struct Gate {
    door: AtomicU8,
    /// The kernel offers no membarrier, or a filter forbids it: producers pay for the fence.
    fenced: bool,
}

impl Gate {
    /// An open one.
    pub(crate) fn new() -> Self {
        let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited);
        Self {
            door: AtomicU8::new(Door::Open as u8),
            fenced: registered.is_err(),
        }
    }

    /// What the door says: one load.
    #[inline]
    pub(crate) fn door(&self) -> Door {
        // SYNC: record-accepting.
        Door::from_bits(self.door.load(Ordering::Acquire))
    }

    /// Nothing more is taken, for good.
    pub(crate) fn close(&self) {
        // SYNC: record-accepting. Release: who is turned away sees why.
        self.door.store(Door::Closed as u8, Ordering::Release);
    }

    /// Opens the door or shuts it for a while; one that was closed for good stays closed.
    pub(crate) fn set(&self, door: Door) {
        let _ = self
            .door
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (Door::from_bits(now) != Door::Closed).then_some(door as u8)
            });
    }

    /// The producer's half of the barrier: what it stored before is visible before its look at the
    /// door. SYNC: record-inside.
    #[inline]
    pub(crate) fn light(&self) {
        if self.fenced {
            fence(Ordering::SeqCst);
        } else {
            compiler_fence(Ordering::SeqCst);
        }
    }

    /// The drain thread's half. SYNC: record-inside.
    fn heavy(&self) {
        fence(Ordering::SeqCst);
        if !self.fenced {
            // It was registered, so the kernel has it. Should it fail nevertheless, producers that
            // are inside are seen when their stores arrive, some nanoseconds later.
            let _ = membarrier(MembarrierCommand::PrivateExpedited);
        }
    }

    /// Once the door is closed: waits for nobody, but answers whether every producer that came
    /// through it has left. `rounds` is where it notes who is still inside; give the same one again.
    pub(crate) fn everybody_out(
        &self,
        accounts: impl FnOnce() -> Vec<Arc<ProducerTotals>>,
        rounds: &mut Rounds,
    ) -> bool {
        debug_assert_eq!(self.door(), Door::Closed);
        if !rounds.begun {
            self.heavy();
            rounds.begun = true;
            // Listed after the barrier: who is not in the list then has not looked at the door yet.
            rounds.inside = accounts()
                .into_iter()
                .map(|account| {
                    let visit = account.visit.load(Ordering::Acquire);
                    (account, visit)
                })
                .filter(|(_, visit)| visit % 2 == 1)
                .collect();
        }
        // SYNC: record-inside. Acquire: what it put into its ring is visible.
        rounds
            .inside
            .retain(|(account, visit)| account.visit.load(Ordering::Acquire) == *visit);
        rounds.inside.is_empty()
    }
}

/// Who was inside when the door was closed.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    begun: bool,
    inside: Vec<(Arc<ProducerTotals>, u64)>,
}

/// A producer's stay between its look at the door and the end of its work.
pub(crate) struct Visit<'a> {
    word: &'a AtomicU64,
    number: u64,
}

impl<'a> Visit<'a> {
    #[inline]
    pub(crate) fn begin(word: &'a AtomicU64, gate: &Gate) -> Self {
        let number = word.load(Ordering::Relaxed) + 1;
        word.store(number, Ordering::Relaxed);
        gate.light();
        Self { word, number }
    }
}

impl Drop for Visit<'_> {
    #[inline]
    fn drop(&mut self) {
        // SYNC: record-inside. Release: its event is in the ring before it has left.
        self.word.store(self.number + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Arc<ProducerTotals> {
        Arc::new(ProducerTotals::new("p"))
    }

    #[test]
    fn gate_closed_with_a_producer_inside_then_not_all_out_before_it_has_left() {
        let (gate, inside, outside) = (Gate::new(), account(), account());
        let visit = Visit::begin(&inside.visit, &gate);
        assert_eq!(gate.door(), Door::Open);
        gate.close();
        let mut rounds = Rounds::default();
        let all = || vec![Arc::clone(&inside), Arc::clone(&outside)];
        for _ in 0..3 {
            assert!(!gate.everybody_out(all, &mut rounds));
        }
        drop(visit);
        assert!(gate.everybody_out(all, &mut rounds));
        // Whoever comes in later finds the door closed, and is not waited for.
        let _late = Visit::begin(&inside.visit, &gate);
        assert_eq!(gate.door(), Door::Closed);
        assert!(gate.everybody_out(all, &mut rounds));
    }

    #[test]
    fn gate_left_and_entered_again_then_it_is_out() {
        let (gate, inside) = (Gate::new(), account());
        let visit = Visit::begin(&inside.visit, &gate);
        gate.close();
        let mut rounds = Rounds::default();
        let all = || vec![Arc::clone(&inside)];
        assert!(!gate.everybody_out(all, &mut rounds));
        drop(visit);
        let _again = Visit::begin(&inside.visit, &gate);
        assert!(gate.everybody_out(all, &mut rounds));
    }

    #[test]
    fn gate_fault_and_its_end_then_open_again_unless_closed_for_good() {
        let gate = Gate::new();
        for (door, now) in [(Door::DiskFull, Door::DiskFull), (Door::Open, Door::Open)] {
            gate.set(door);
            assert_eq!(gate.door(), now);
        }
        gate.close();
        for door in [Door::Open, Door::DiskFault] {
            gate.set(door);
            assert_eq!(gate.door(), Door::Closed);
        }
    }
}
