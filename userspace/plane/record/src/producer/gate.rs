//! The door: whether producers may offer events, and which are inside.
//!
//! The *cut* is one store: a producer that checks the door after it is refused. A producer may have
//! checked before and still be putting its event into its ring, so the drain thread asks
//! [`ProducerGate::all_out`] before it relies on an empty ring. That costs producers two plain stores
//! for each event and the drain thread a membarrier(2): the rare side pays.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering, compiler_fence, fence};

use rustix::thread::{MembarrierCommand, membarrier};

use crate::totals::ProducerTotals;

/// State of the door.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Events are accepted.
    Open = 0,
    /// The disk is full: events are counted, not accepted.
    DiskFull = 1,
    /// The files cannot be written for another reason: events are counted, not accepted.
    DiskFault = 2,
    /// Closed permanently.
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
pub(crate) struct ProducerGate {
    door: AtomicU8,
    /// The kernel offers no membarrier, or a filter forbids it: producers execute the fence.
    fenced: bool,
}

impl ProducerGate {
    /// Creates an open door.
    pub(crate) fn new() -> Self {
        let registered = membarrier(MembarrierCommand::RegisterPrivateExpedited);
        Self {
            door: AtomicU8::new(Door::Open as u8),
            fenced: registered.is_err(),
        }
    }

    /// The door's state. One load.
    #[inline]
    pub(crate) fn door(&self) -> Door {
        // SYNC: record-accepting.
        Door::from_bits(self.door.load(Ordering::Acquire))
    }

    /// Closes the door permanently.
    pub(crate) fn close(&self) {
        // SYNC: record-accepting. Release: a refused producer sees the reason.
        self.door.store(Door::Closed as u8, Ordering::Release);
    }

    /// Opens or shuts the door. A permanently closed door stays closed.
    pub(crate) fn set(&self, door: Door) {
        let _ = self
            .door
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, |now| {
                (Door::from_bits(now) != Door::Closed).then_some(door as u8)
            });
    }

    /// The producer's half of the barrier: its earlier stores are visible before it checks the
    /// door. SYNC: record-inside.
    #[inline]
    pub(crate) fn light(&self) {
        if self.fenced {
            fence(Ordering::SeqCst);
        } else {
            compiler_fence(Ordering::SeqCst);
        }
    }

    /// The drain thread's half of the barrier. SYNC: record-inside.
    fn heavy(&self) {
        fence(Ordering::SeqCst);
        if !self.fenced {
            // It is registered, so the kernel supports it. If it still fails, producers that are
            // inside become visible when their stores arrive, some nanoseconds later.
            let _ = membarrier(MembarrierCommand::PrivateExpedited);
        }
    }

    /// After the close: whether every producer that passed the door has left. Does not wait.
    /// `rounds` notes the producers still inside; pass the same one again.
    pub(crate) fn all_out(
        &self,
        producers: impl FnOnce() -> Vec<Arc<ProducerTotals>>,
        rounds: &mut Rounds,
    ) -> bool {
        debug_assert_eq!(self.door(), Door::Closed);
        if !rounds.begun {
            self.heavy();
            rounds.begun = true;
            // Listed after the barrier: a producer that is not in the list has not checked the door
            // yet.
            rounds.inside = producers()
                .into_iter()
                .map(|totals| {
                    let visit = totals.visit.load(Ordering::Acquire);
                    (totals, visit)
                })
                .filter(|(_, visit)| visit % 2 == 1)
                .collect();
        }
        // SYNC: record-inside. Acquire: what the producer put into its ring is visible.
        rounds
            .inside
            .retain(|(totals, visit)| totals.visit.load(Ordering::Acquire) == *visit);
        rounds.inside.is_empty()
    }
}

/// Producers that were inside when the door was closed.
#[derive(Debug, Default)]
pub(crate) struct Rounds {
    begun: bool,
    inside: Vec<(Arc<ProducerTotals>, u64)>,
}

/// A producer's visit, from its check of the door to the end of its work.
pub(crate) struct Visit<'a> {
    word: &'a AtomicU64,
    number: u64,
}

impl<'a> Visit<'a> {
    #[inline]
    pub(crate) fn begin(word: &'a AtomicU64, gate: &ProducerGate) -> Self {
        let number = word.load(Ordering::Relaxed) + 1;
        word.store(number, Ordering::Relaxed);
        gate.light();
        Self { word, number }
    }
}

impl Drop for Visit<'_> {
    #[inline]
    fn drop(&mut self) {
        // SYNC: record-inside. Release: the event is in the ring before the producer has left.
        self.word.store(self.number + 1, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals() -> Arc<ProducerTotals> {
        Arc::new(ProducerTotals::new("p"))
    }

    #[test]
    fn gate_closed_over_a_producer_then_not_all_out_until_it_left() {
        let (gate, inside, outside) = (ProducerGate::new(), totals(), totals());
        let visit = Visit::begin(&inside.visit, &gate);
        assert_eq!(gate.door(), Door::Open);
        gate.close();
        let mut rounds = Rounds::default();
        let all = || vec![Arc::clone(&inside), Arc::clone(&outside)];
        for _ in 0..3 {
            assert!(!gate.all_out(all, &mut rounds));
        }
        drop(visit);
        assert!(gate.all_out(all, &mut rounds));
        // A producer that enters later finds the door closed. The drain thread does not wait for
        // it.
        let _late = Visit::begin(&inside.visit, &gate);
        assert_eq!(gate.door(), Door::Closed);
        assert!(gate.all_out(all, &mut rounds));
    }

    #[test]
    fn gate_left_and_entered_again_then_it_is_out() {
        let (gate, inside) = (ProducerGate::new(), totals());
        let visit = Visit::begin(&inside.visit, &gate);
        gate.close();
        let mut rounds = Rounds::default();
        let all = || vec![Arc::clone(&inside)];
        assert!(!gate.all_out(all, &mut rounds));
        drop(visit);
        let _again = Visit::begin(&inside.visit, &gate);
        assert!(gate.all_out(all, &mut rounds));
    }

    #[test]
    fn gate_after_a_fault_then_open_again_unless_closed_for_good() {
        let gate = ProducerGate::new();
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
