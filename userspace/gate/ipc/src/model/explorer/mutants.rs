//! Faulty steps, and the scenario in which the search must find the violation that each of them causes.

use super::tests::{FRAMES, NO_FRAME, NO_FRAME_ONLY, ONE_FRAME, ONE_FRAME_ONLY};
use super::*;

/// Declares the mutants; each `test: scenario => violation` is a `#[test]`.
macro_rules! mutants {
    (
        caught { $($(#[$about:meta])* $mutant:ident, $name:ident:
            $base:ident $(with $($field:ident = $value:expr),+)? => $violation:ident;)+ }
        sound { $($(#[$sound_about:meta])* $sound:ident,)+ }
    ) => {
        /// A faulty step.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Mutant {
            $($(#[$about])* $mutant,)+
            $($(#[$sound_about])* $sound,)+
        }

        $(#[test]
        fn $name() {
            let mutant = Some(Mutant::$mutant);
            let scenario = Scenario { $($($field: $value,)+)? mutant, ..$base };
            is_caught(&Explorer { scenario }, Violation::$violation);
        })+
    };
}

mutants! { caught {
    /// A caller sleeps without checking gates and ring after it joined the event count.
    NoRecheck, no_recheck_is_caught: FRAMES => LostWake;
    /// The session's stop changes the event count before it closes the gate.
    CountBeforeGate, count_before_gate_is_caught: BASE => LostStop;
    /// A sleeper that a stop woke does not wake the others.
    StopWakesOne, stop_wakes_one_is_caught: NO_FRAME => LostStop;
    /// A caller that a start woke does not wake the others that wait for it.
    StartWakesOne, start_wakes_one_is_caught:
        NO_FRAME with evicted = true, waits_for_start = true => LostStart;
    /// A sleeper checks the RUN bit, not the generation.
    BitNotGen, bit_not_gen_is_caught: NO_FRAME_ONLY with local_pulses = 1 => LostStop;
    /// A leaving caller reads the kick before it lowers its count.
    KickBeforeSub, kick_before_sub_is_caught: ONE_FRAME => LostNotification;
    /// A leaving caller leaves the kick to one that has acknowledged the stop, and reads no kick.
    AckedWillKick, acked_will_kick_is_caught: NO_FRAME with calls = 2 => LostNotification;
    /// A leaving caller takes the kick before it knows that it is the last one.
    TakesThenLooks, takes_then_looks_is_caught: NO_FRAME => LostNotification;
    /// The drain arms the kick after its scan.
    ArmAfterLook, arm_after_look_is_caught: ONE_FRAME => LostNotification;
    /// A bounced call does not read the kick.
    UndoNoKick, undo_no_kick_is_caught: NO_FRAME => LostNotification;
    /// `put` does not read the kick.
    NoKickOnPut, no_kick_on_put_is_caught: ONE_FRAME => LostNotification;
    /// The poller takes back the oldest frame without a compare-and-exchange.
    ReclaimNoCas, reclaim_no_cas_is_caught: BASE with publishes = 3 => CreditedUnderHolder;
    /// A caller claims the head before it takes the frame.
    HeadFirst, head_first_is_caught: ONE_FRAME_ONLY with thread_exits = true => LostWake;
    /// The reconciliation of an exited thread does not notify.
    ExitNotifiesNot, exit_notifies_not_is_caught:
        ONE_FRAME_ONLY with thread_exits = true => LostWake;
    /// A caller that was woken past its deadline returns without a check.
    TimeoutDropsWake, timeout_drops_wake_is_caught: ONE_FRAME_ONLY with timed = true => LostWake;
    /// A caller whose timer fired returns without a check.
    TimeoutBeatsStop, timeout_beats_stop_is_caught:
        NO_FRAME_ONLY with timed = true, local_pulses = 1 => SleeperMissedStop;
    /// An exited thread's slot stays owned, and each report of the exit is credited.
    CreditTwice, credit_twice_is_caught: ONE_FRAME with thread_exits = true => CreditedTwice;
    /// The frame that an exited thread intended to take is credited although another may hold it.
    CreditNoTag, credit_no_tag_is_caught: ONE_FRAME with thread_exits = true => CreditedUnderHolder;
    /// The stop in a signal handler does not change the word that callers sleep on.
    HandlerNotifiesNot, handler_notifies_not_is_caught:
        NO_FRAME_ONLY with local_pulses = 1, local_in_handler = true => LostStop;
    /// The client's own stop does not wake callers that wait for a start.
    LocalStopWakesNoStarter, local_stop_wakes_no_starter_is_caught:
        NO_FRAME with local_pulses = 1, waits_for_start = true => LostStop;
    /// The poller notifies and wakes before the entry is in the ring.
    WakeBeforePublish, wake_before_publish_is_caught: ONE_FRAME_ONLY => LostWake;
    /// [`Mutant::WaitersAfterRecheck`] and [`Mutant::WaitersBeforeCount`] together.
    BothWaiters, both_waiters_is_caught: ONE_FRAME_ONLY => LostWake;
    /// The drain accepts an acknowledgement of any stop.
    AckAnyStop, ack_any_stop_is_caught:
        ONE_FRAME with session_pulses = 1, calls = 2 => DestroyedUnderCaller;
    /// A call leaves the intent of the previous call in the slot.
    IntentKept, intent_kept_is_caught:
        FRAMES with thread_exits = true, keeps_frames = true, calls = 2 => CreditedDelivered;
    /// pop notes its intent before it sees the frame word READY.
    IntendBeforeLook, intend_before_look_is_caught:
        FRAMES with thread_exits = true, keeps_frames = true, calls = 2 => CreditedDelivered;
    /// `put` checks only the state of the word.
    PutIgnoresSerial, put_ignores_serial_is_caught:
        FRAMES with put_twice = true, publishes = 3, calls = 2 => StalePutReleased;
    /// The shared slot is acknowledged like a thread's own.
    AckOnSharedSlot, ack_on_shared_slot_is_caught:
        ONE_FRAME with shared_slot = true => DestroyedUnderCaller;
    /// A call in a signal handler acknowledges for the call that it interrupted.
    AckWhenNested, ack_when_nested_is_caught:
        ONE_FRAME with nested_call = true => DestroyedUnderCaller;
    /// An evict notifies and wakes before it changes the state.
    StateAfterCounts, state_after_counts_is_caught: NO_FRAME_ONLY with evicted = true => NotStale;
    /// An evict takes the frames back before it closes the gate, and the poller continues to loan.
    RevokeBeforeGate, revoke_before_gate_is_caught: ONE_FRAME_ONLY with evicted = true => PutLost;
    /// An evict reads a frame's word and then stores it.
    RevokeNoSwap, revoke_no_swap_is_caught:
        ONE_FRAME_ONLY with evicted = true => CreditedUnderHolder;
    /// A frame that was held when it was revoked is written again at once.
    ReuseHeld, reuse_held_is_caught: ONE_FRAME_ONLY with evicted = true => CreditedUnderHolder;
    /// A set-aside frame is written again when the evict is done.
    AsideReleasedEarly, aside_released_early_is_caught:
        ONE_FRAME_ONLY with evicted = true => RewrittenUnderHolder;
    /// The evict leaves the loans in the ledger, for the death of the process to credit.
    CreditAtEvictAndEnd, credit_at_evict_and_end_is_caught:
        ONE_FRAME_ONLY with evicted = true, process_killed = true => CreditedTwice;
    /// An evict does not wake callers.
    EvictWakesNone, evict_wakes_none_is_caught: NO_FRAME_ONLY with evicted = true => LostStop;
    /// An evict does not wake callers that wait for a start.
    EvictWakesNoStarter, evict_wakes_no_starter_is_caught:
        NO_FRAME with evicted = true, waits_for_start = true => LostStart;
    /// A start of the session opens the gate of an evicted attachment, too.
    StartReopensEvicted, start_reopens_evicted_is_caught:
        NO_FRAME with evicted = true, session_pulses = 1 => NotStale;
    /// A dead thread's slot is emptied before its frame is credited.
    ReclaimFirst, reclaim_first_is_caught:
        ONE_FRAME_ONLY with thread_exits = true, succeeded = true => CreditedUnderHolder;
    /// The second report of a thread's exit is settled with the data of the first one.
    StaleReading, stale_reading_is_caught:
        ONE_FRAME_ONLY with thread_exits = true, succeeded = true => ReclaimedAlive;
} sound {
    /// Not a bug alone: a caller joins the event count after its last check.
    WaitersAfterRecheck,
    /// Not a bug alone: the poller reads the waiters before it changes the event count.
    WaitersBeforeCount,
    /// Not a bug alone: pop reads the tail before the head.
    TailBeforeHead,
} }
