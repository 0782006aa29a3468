//! A slot counts one thread of a client while it is inside a call.
//!
//! Only the thread that owns a slot writes `count`, so plain stores are enough; the daemon pays for
//! the order with [`heavy`](crate::sync::heavy) before it scans. The last slot of an attachment is
//! shared by the threads that found no free one; they count with atomic additions.

use onair_mutant::mutant;
use serde::{Deserialize, Serialize};

use crate::label;
use crate::sync::{AtomicU32, AtomicU64, Ordering, light};

/// The caller intends to take no frame.
pub const NO_INTENT: u64 = u64::MAX;

/// The operation of a thread inside a call, for the list of blockers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u32)]
pub enum Operation {
    /// None was recorded.
    None = 0,
    /// `buffer_get`.
    Get = 1,
    /// `event_poll`.
    EventPoll = 2,
}

impl Operation {
    /// The operation a client recorded; unknown values are [`Operation::None`].
    pub fn from_word(word: u32) -> Self {
        match word {
            1 => Self::Get,
            2 => Self::EventPoll,
            _ => Self::None,
        }
    }

    /// Its name in the API and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "call",
            Self::Get => "buffer_get",
            Self::EventPoll => "event_poll",
        }
    }
}

/// One slot: 64 bytes, a cache line of its own.
#[repr(C, align(64))]
#[derive(Debug)]
pub struct Slot {
    count: AtomicU32,
    ack: AtomicU32,
    owner: AtomicU32,
    operation: AtomicU32,
    intent: AtomicU64,
    claimed_at: AtomicU64,
    _spare: [AtomicU64; 4],
}

/// The daemon's reading of a slot. The client writes all its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlotReading {
    /// Position in the attachment.
    pub index: u16,
    /// Calls in progress.
    pub count: u32,
    /// The closed gate value that last refused the owner.
    pub ack: u32,
    /// Thread id in the client's pid namespace; 0: no owner, or the shared slot.
    pub owner: u32,
    /// Current operation.
    pub operation: Operation,
    /// Ring entry (`serial << 32 | frame`) that the owner was about to take, or [`NO_INTENT`].
    pub intent: u64,
    /// Time of the claim: CLOCK_BOOTTIME, ns.
    pub claimed_at: u64,
}

impl Slot {
    /// A slot without an owner.
    pub fn vacant() -> Self {
        Self {
            count: AtomicU32::new(0),
            ack: AtomicU32::new(0),
            owner: AtomicU32::new(0),
            operation: AtomicU32::new(0),
            intent: AtomicU64::new(NO_INTENT),
            claimed_at: AtomicU64::new(0),
            _spare: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// Assigns the slot to the thread `tid`, if it has no owner. It clears an old `ack`, so that it
    /// cannot count for the new owner. SYNC: slot-claim.
    pub fn claim(&self, tid: u32, boottime_ns: u64) -> bool {
        let order = mutant!(
            "slot: claimed relaxed",
            Ordering::Relaxed,
            Ordering::Acquire
        );
        if self.owner.load(Ordering::Relaxed) != 0
            || self
                .owner
                .compare_exchange(0, tid, order, Ordering::Relaxed)
                .is_err()
        {
            return false;
        }
        label!("claim.owned");
        if !mutant!("slot: the acknowledgement of an old claim stays") {
            self.ack.store(0, Ordering::Relaxed);
        }
        self.intent.store(NO_INTENT, Ordering::Relaxed);
        self.claimed_at.store(boottime_ns, Ordering::Relaxed);
        true
    }

    /// Frees the slot; its owner is outside every call. SYNC: slot-claim.
    pub fn vacate(&self) {
        self.owner.store(0, Ordering::Release);
    }

    /// The owner's thread id, or 0.
    pub fn owner(&self) -> u32 {
        self.owner.load(Ordering::Relaxed)
    }

    /// Counts the caller in, and returns how many calls were in progress in this slot before: more
    /// than zero means that a signal handler calls, inside a call of its own thread. With `plain`
    /// the slot must be the calling thread's own and its process registered for membarrier. The
    /// intent is noted before it, the gates are read after it. SYNC: light-heavy.
    #[inline(always)]
    pub fn enter(&self, operation: Operation, plain: bool) -> u32 {
        self.operation.store(operation as u32, Ordering::Relaxed);
        if plain {
            let count = self.count.load(Ordering::Relaxed);
            // Release, so that no reader finds the new count beside an older call's intent.
            self.count.store(count.wrapping_add(1), Ordering::Release);
            if !mutant!("enter: no light fence") {
                light();
            }
            count
        } else {
            // Several threads count here, or membarrier does not reach this process: the caller pays for the fence.
            let count = self.count.fetch_add(1, Ordering::SeqCst);
            crate::sync::full();
            count
        }
    }

    /// Counts the caller out; the kick is read after it. SYNC: light-heavy.
    #[inline(always)]
    pub fn exit(&self, plain: bool) {
        if plain {
            let count = self.count.load(Ordering::Relaxed);
            let order = mutant!("leave: relaxed", Ordering::Relaxed, Ordering::Release);
            self.count.store(count.wrapping_sub(1), order);
            if !mutant!("leave: no light fence") {
                light();
            }
        } else {
            self.count.fetch_sub(1, Ordering::SeqCst);
            crate::sync::full();
        }
    }

    /// Notes which ring entry the caller is about to take, after the caller saw that it is ready,
    /// so that the intent never names a loan that was delivered before.
    #[inline(always)]
    pub fn set_intent(&self, entry: u64) {
        self.intent.store(entry, Ordering::Relaxed);
    }

    /// Records that the owner saw the closed session gate `gate` and will never pass it. Not for a
    /// call inside another one, which may have passed. Returns whether it was already recorded.
    /// SYNC: ack.
    #[inline(always)]
    pub fn acknowledge(&self, gate: u32) -> bool {
        let already = self.ack.load(Ordering::Relaxed) == gate;
        self.ack.store(gate, Ordering::Release);
        already
    }

    /// Daemon: reads the slot. SYNC: light-heavy, ack.
    pub fn read(&self, index: u16) -> SlotReading {
        let count = mutant!("slots: relaxed", Ordering::Relaxed, Ordering::Acquire);
        let ack = mutant!(
            "slots: the acknowledgement relaxed",
            Ordering::Relaxed,
            Ordering::Acquire
        );
        SlotReading {
            index,
            count: self.count.load(count),
            ack: self.ack.load(ack),
            owner: self.owner.load(Ordering::Relaxed),
            operation: Operation::from_word(self.operation.load(Ordering::Relaxed)),
            intent: self.intent.load(Ordering::Relaxed),
            claimed_at: self.claimed_at.load(Ordering::Relaxed),
        }
    }

    /// Daemon: empties the slot of a dead thread.
    pub fn reclaim(&self) {
        self.count.store(0, Ordering::Relaxed);
        self.intent.store(NO_INTENT, Ordering::Relaxed);
        self.ack.store(0, Ordering::Relaxed);
        self.owner.store(0, Ordering::Release);
    }
}

/// More calls in progress than any slot counts: another writer changed the word, and it went below
/// zero when the owner left.
const ABSURD: u32 = 1 << 31;

impl SlotReading {
    /// Calls in progress, for a sum: an impossible count is one.
    pub fn calls(&self) -> u64 {
        if self.count >= ABSURD {
            1
        } else {
            u64::from(self.count)
        }
    }

    /// Whether the same thread owned the slot at both readings.
    pub fn is_of_the_claim(&self, other: &Self) -> bool {
        self.index == other.index
            && self.owner == other.owner
            && self.claimed_at == other.claimed_at
    }

    /// Whether the slot counts a user of a session whose closed gate is `gate`. A thread that
    /// acknowledged that very gate can never pass it, whatever its count. The shared slot has no
    /// single thread, so its acknowledgement does not count.
    pub fn is_user(&self, gate: u32, shared: bool) -> bool {
        let acknowledged = mutant!(
            "slot: an old acknowledgement counts for a new stop",
            self.ack != 0,
            self.ack == gate
        );
        let shared = shared && !mutant!("slot: the shared one takes an acknowledgement");
        self.count > 0 && (shared || !acknowledged)
    }
}

/// Reads the slots of an attachment: `slots` are all of them, the shared one at the end; `high` is one
/// past the highest that was ever claimed.
pub fn readings(slots: &[Slot], high: u32) -> impl DoubleEndedIterator<Item = SlotReading> {
    let shared = slots.len() - 1;
    let own = 0..shared.min(high as usize);
    let read = |at: usize| slots[at].read(u16::try_from(at).expect("at most 128"));
    own.chain([shared]).map(read)
}

/// The slots that count a user of a session whose closed gate is `gate`.
pub fn users(slots: &[Slot], high: u32, gate: u32) -> impl DoubleEndedIterator<Item = SlotReading> {
    let shared = slots.len() - 1;
    readings(slots, high).filter(move |it| it.is_user(gate, usize::from(it.index) == shared))
}

#[cfg(all(test, not(feature = "loom")))]
mod tests {
    use super::*;

    #[test]
    fn slot_old_ack_then_no_longer_speaks_for_a_new_stop_or_owner() {
        let slot = Slot::vacant();
        assert!(slot.claim(10, 1));
        slot.enter(Operation::Get, true);
        assert!(!slot.acknowledge(4));
        assert!(!slot.read(0).is_user(4, false));
        assert!(slot.read(0).is_user(6, false), "a later stop");
        assert!(slot.read(0).is_user(4, true), "the shared slot");
        slot.exit(true);
        slot.vacate();
        assert!(slot.claim(11, 2));
        slot.enter(Operation::Get, true);
        assert!(slot.read(0).is_user(4, false), "a new owner");
    }

    #[test]
    fn slot_raised_within_a_call_then_says_so() {
        for plain in [true, false] {
            let slot = Slot::vacant();
            assert_eq!(slot.enter(Operation::Get, plain), 0);
            assert_eq!(slot.enter(Operation::Get, plain), 1);
            slot.exit(plain);
            slot.exit(plain);
            assert_eq!(slot.read(0).count, 0);
        }
    }

    #[test]
    fn slot_count_below_zero_then_one_call() {
        let slot = Slot::vacant();
        slot.exit(true);
        assert_eq!(slot.read(0).calls(), 1);
        slot.enter(Operation::Get, true);
        slot.enter(Operation::Get, true);
        assert_eq!(slot.read(0).calls(), 1);
    }

    #[test]
    fn slot_claimed_then_no_other_thread_gets_it() {
        let slot = Slot::vacant();
        assert!(slot.claim(10, 1));
        assert!(!slot.claim(11, 2));
        slot.vacate();
        assert!(slot.claim(11, 3));
    }

    #[test]
    fn slot_size_then_one_cache_line() {
        assert_eq!(size_of::<Slot>(), 64);
    }
}
