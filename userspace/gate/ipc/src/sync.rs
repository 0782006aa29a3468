//! Atomics, replaced by loom's with the feature `loom` and by the simulator's, and the asymmetric fence pair.
//!
//! Counting costs a caller nothing: it stores its slot plainly and calls [`light`], which only
//! stops the compiler. The daemon pays when it drains: [`heavy`] makes every processor that runs a
//! registered client execute a full barrier (membarrier(2), `GLOBAL_EXPEDITED`).
//!
//! # SYNC names
//!
//! Each pair of atomic accesses in the product that orders something has `SYNC` and its name on both sides; without another
//! word a store and a load. Statistics are relaxed.
//!
//! | name | sides | orderings | why |
//! |---|---|---|---|
//! | `gate-count` | `Gate::stop`, then event counts ↔ `Gate::load` | `fetch_and` SeqCst ↔ load Acquire | a caller with the new event count sees the closed gate |
//! | `event-count` | `EventCount::notify` ↔ `join`, `listen` | `fetch_add` SeqCst, load SeqCst ↔ the same | store, then load, on both sides: one sees the other |
//! | `light-heavy` | `Slot::enter`, `exit` ↔ `heavy`, `Slot::read` | plain store Release, compiler fence ↔ fence SeqCst, membarrier, load Acquire | as before, the cost on the rare side (`docs/gate.md`) |
//! | `ack` | `acknowledge` ↔ `SlotReading::is_user` | Release ↔ Acquire | the caller's last access comes before its acknowledgement |
//! | `slot-claim` | `vacate` ↔ claim | store Release ↔ compare-exchange Acquire | the new owner continues the count |
//! | `kick` | drain: `arm`, `heavy`, scan ↔ caller: `exit` or `release`, then `take` | store SeqCst ↔ load Acquire, swap SeqCst | the drain arms before it scans, the caller decrements before it looks |
//! | `last-to-leave` | callers that leave ↔ each other | store Release or compare-exchange SeqCst, fence SeqCst ↔ load Acquire | of two that leave, one sees that the other left, and kicks |
//! | `frame-publish` | poller: `publish`, `tail` ↔ caller: `is_ready`, `take` | store Release ↔ load Acquire, compare-exchange AcqRel | bytes and description are complete before a take; a caller that sees an open frame knows that its process takes such |
//! | `progress` | poller: bytes or description, `ProgressWord::advance` ↔ caller: `ProgressWord::load` | swap SeqCst ↔ load Acquire | what stands is written before it is read |
//! | `wanted` | poller: `advance`, `WantedWord::of` ↔ caller: `WantedWord::ask`, `load` | swap SeqCst, fence, load SeqCst ↔ compare-exchange SeqCst, fence, load Acquire | store, then load, on both sides: one sees the other |
//! | `takes-open` | poller: `publish`, event count, `takes_open` ↔ caller: `ask_for_open`, tail | `fetch_add` SeqCst, load SeqCst ↔ store SeqCst, fence, load Acquire | the poller notifies those that wait for open frames, or they find the frame |
//! | `fill` | caller: `FillWord::reach` ↔ poller: `FillWord::reached` | store Release ↔ load Acquire | the lines are written before the word that counts them |
//! | `frame-release` | caller: `release` ↔ `load`, `reap` | compare-exchange SeqCst ↔ load Acquire | the last read comes before reuse; SeqCst for the kick |
//! | `pin` | `Pins::pin`, then `Slot::exit`; `Pins::unpin` ↔ `Pins::may_let_go` | store Relaxed before the slot's Release; store Release, compiler fence ↔ fence SeqCst, load Acquire, `heavy`, slots, load Acquire again | a slot seen left shows its pin; a pin seen cleared comes after the last read |
//! | `deferred` | `Pins::defer`, then its look ↔ `unpin` or `exit`, then `deferred` | compare-exchange SeqCst, `heavy` ↔ compiler fence, load Acquire | as `light-heavy`: one of the two sees the end. |
//! | `event` | `EventRing::push` ↔ `read` | sequence 0, fence Release, words, sequence Release ↔ load Acquire, words, fence Acquire, load again | a reader that was overtaken notices |
//! | `handle` | `Table::insert`, `unpin` ↔ `pin`, `free_if_unused` | Release ↔ Acquire | pinned: complete; freed: unused |
//! | `inbox-stop` | `Inbox::stop` ↔ poller | Release ↔ Acquire | what was sent before the stop is taken |
//! | `inbox-closed` | `close`, last look ↔ `send` | SeqCst ↔ SeqCst | the last look finds the command, or its sender takes it back |
//! | `poller-asleep` | `Inbox::nudge` ↔ `doze`, last look at the lanes | fence SeqCst ↔ fence SeqCst | the last look sees the packet, or the other side wakes the poller |
//! | `unclaimed` | poller: `Entry::begin` ↔ control: `Entry::read` | odd version, fence Release, words, even version Release ↔ load Acquire, words, fence Acquire, load again | a reader that was overtaken notices |
//! | `survey-request` | control: `SurveyShare::request` ↔ poller: `Surveyor::is_on`, `packets` | load Acquire, store Release ↔ load Acquire, store Release | a poller that sees the request finds the empty survey |
//! | `queue-owner` | a thread returns a DPDK queue ↔ one takes it | store Release ↔ swap Acquire | a queue has one owner |
//! | `pool-held` | a thread frees an mbuf ↔ one asks whether the pool is idle | `fetch_sub` Release ↔ load Acquire | a pool goes after the last touch of its packets |
//! | `operations` | `ActiveOperationGuard` ↔ shutdown: `begin` | `fetch_add` SeqCst, load SeqCst ↔ swap SeqCst, load SeqCst | a request sees the end, or the end sees the request |
//! | `shutdown-forced` | `force` ↔ waiting thread | swap AcqRel ↔ load Acquire | one wins; a thread that sees it sees earlier stores |
//! | `worker-accepting` | `stop_accepting` ↔ worker, submitter | Release ↔ Acquire | work submitted before is finished |
//! | `worker-flush` | `request_flush` ↔ worker | `fetch_add` Release ↔ load Acquire | work submitted before is in the buffers that it empties |
//! | `record-accepting` | `ProducerGate::close`, `set` ↔ `ProducerGate::door` | store Release, `fetch_update` AcqRel ↔ load Acquire | one load an offer; may be late: `record-inside` |
//! | `record-inside` | producer: `Visit` ↔ drain thread: `all_out` | plain store, compiler fence, load of the door, store Release ↔ fence SeqCst, membarrier, load Acquire | the drain thread sees each producer inside, and its events after it left |
//! | `record-flush` | `request_flush` ↔ drain thread | `fetch_add` Release ↔ load Acquire | events accepted before are written |
//! | `record-ending` | `begin_end` ↔ drain thread | Release ↔ Acquire | the cause is there and the door closed when the end is seen |

#[cfg(simulated)]
pub use crate::scheduled::{AtomicU32, AtomicU64};
#[cfg(simulated)]
pub use core::sync::atomic::Ordering;
#[cfg(not(any(feature = "loom", simulated)))]
pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};
#[cfg(feature = "loom")]
pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The caller's half of the pair: on x86-64 a compiler fence. SYNC: light-heavy.
#[inline(always)]
pub fn light() {
    #[cfg(simulated)]
    crate::scheduled::light();
    #[cfg(not(feature = "loom"))]
    core::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(feature = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// The daemon's half of the pair: a full fence here and on every processor that runs a registered
/// client. Costs about 10 µs; control thread only. SYNC: light-heavy.
pub fn heavy() {
    #[cfg(not(feature = "loom"))]
    {
        fence();
        if !onair_mutant::mutant!("barrier: none") {
            #[cfg(simulated)]
            crate::scheduled::barrier();
            #[cfg(not(simulated))]
            crate::membarrier::global();
        }
    }
    #[cfg(feature = "loom")]
    if !onair_mutant::mutant!("barrier: no heavy fence") {
        loom::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// A full fence, on this processor only.
pub fn fence() {
    #[cfg(simulated)]
    crate::scheduled::fence();
    #[cfg(not(feature = "loom"))]
    core::sync::atomic::fence(Ordering::SeqCst);
    #[cfg(feature = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}

/// A full fence beside a read-modify-write that is already SeqCst: nothing on x86-64, needed under
/// loom, which has no SeqCst accesses.
#[inline(always)]
pub fn full() {
    #[cfg(feature = "loom")]
    loom::sync::atomic::fence(Ordering::SeqCst);
}
