//! Scenarios that must pass, and mutants that must be caught.

use super::Explorer;
use super::invariant::Violation;
use super::scenario::{Handles, Mutant, Scenario};
use super::state::Gate;
use crate::model::search::explore;

fn passes(scenario: Scenario) {
    let outcome = explore(&Explorer { scenario });
    eprintln!("{} states", outcome.states);
    if let Some(fault) = outcome.fault {
        panic!("{fault}");
    }
}

fn caught(mutant: Mutant, scenario: Scenario, expected: Violation) {
    let outcome = explore(&Explorer {
        scenario: Scenario {
            mutant: Some(mutant),
            ..scenario
        },
    });
    eprintln!("{} states", outcome.states);
    let fault = outcome.fault.expect("the mutant is a bug");
    assert_eq!(fault.violation, expected, "{fault}");
}

/// One `#[test]` for each scenario that must pass.
macro_rules! passing {
    ($($name:ident: $scenario:expr;)+) => {
        $(#[test]
        fn $name() {
            passes($scenario);
        })+
    };
}

/// One `#[test]` for each mutant that must be caught.
macro_rules! mutants {
    ($($name:ident: $mutant:ident in $scenario:expr => $violation:ident;)+) => {
        $(#[test]
        fn $name() {
            caught(Mutant::$mutant, $scenario, Violation::$violation);
        })+
    };
}

const BASE: Scenario = Scenario::BASE;
const FRAMES: Scenario = Scenario::FRAMES;
const ONE_FRAME: Scenario = Scenario {
    publishes: 1,
    ..BASE
};
const ONE_FRAME_ONLY: Scenario = Scenario {
    publishes: 1,
    ..FRAMES
};
const NO_FRAME: Scenario = Scenario {
    publishes: 0,
    ..BASE
};
const NO_FRAME_ONLY: Scenario = Scenario {
    publishes: 0,
    ..FRAMES
};

/// The process ends its attachment while the session runs.
const LEAVES: Scenario = Scenario {
    leaves: true,
    ..ONE_FRAME_ONLY
};
/// The same, with one caller that has handles and is evicted before or after.
const EVICTED: Scenario = Scenario {
    evicted: true,
    alone: Some(1),
    ..LEAVES
};

passing! {
    explorer_frames_drain_destroy_then_holds: BASE;
    explorer_frames_only_then_no_wake_is_lost: Scenario { calls: 2, ..FRAMES };
    explorer_frames_only_with_timeouts_then_no_wake_is_lost: Scenario { timed: true, ..FRAMES };
    explorer_timeout_against_local_pulse_then_holds:
        Scenario { timed: true, local_pulses: 1, ..ONE_FRAME_ONLY };
    explorer_timeout_against_session_stop_then_holds: Scenario { timed: true, ..ONE_FRAME };
    explorer_three_frames_in_two_buffers_then_holds: Scenario { publishes: 3, ..BASE };
    explorer_session_pulse_then_destroy_then_holds: Scenario { session_pulses: 1, ..ONE_FRAME };
    explorer_local_pulse_by_thread_and_destroy_then_holds:
        Scenario { local_pulses: 1, ..ONE_FRAME };
    explorer_local_pulse_by_handler_and_destroy_then_holds:
        Scenario { local_pulses: 1, local_in_handler: true, ..ONE_FRAME };
    explorer_two_local_pulses_by_handler_then_holds:
        Scenario { local_pulses: 2, local_in_handler: true, calls: 2, ..ONE_FRAME_ONLY };
    explorer_sigkill_at_any_step_then_holds: Scenario { process_killed: true, ..BASE };
    explorer_sigkill_and_local_pulse_then_holds:
        Scenario { process_killed: true, local_pulses: 1, ..ONE_FRAME };
    explorer_one_thread_exits_at_any_step_then_holds: Scenario { thread_exits: true, ..BASE };
    explorer_one_thread_exits_two_frames_only_then_no_wake_is_lost:
        Scenario { thread_exits: true, ..FRAMES };
    explorer_one_thread_exits_one_frame_only_then_no_wake_is_lost:
        Scenario { thread_exits: true, ..ONE_FRAME_ONLY };
    explorer_two_calls_each_and_drain_then_holds: Scenario { calls: 2, ..ONE_FRAME };
    explorer_thread_exit_then_sigkill_then_holds:
        Scenario { thread_exits: true, process_killed: true, ..BASE };
    explorer_thread_exit_and_local_pulse_then_holds:
        Scenario { thread_exits: true, local_pulses: 1, ..ONE_FRAME_ONLY };
    explorer_both_gates_pulse_then_holds:
        Scenario { session_pulses: 1, local_pulses: 1, ..NO_FRAME };
    explorer_thread_exits_holding_another_frame_then_holds:
        Scenario { thread_exits: true, keeps_frames: true, calls: 2, ..FRAMES };
    explorer_put_twice_then_the_new_lend_is_untouched:
        Scenario { put_twice: true, publishes: 3, calls: 2, ..FRAMES };
    explorer_shared_slot_then_holds: Scenario { shared_slot: true, ..ONE_FRAME };
    explorer_call_in_a_handler_then_holds: Scenario { nested_call: true, ..ONE_FRAME };
    explorer_waits_for_start_through_pulses_then_holds:
        Scenario { waits_for_start: true, session_pulses: 1, local_pulses: 1, ..NO_FRAME };

    explorer_evicted_while_it_runs_then_holds: Scenario { evicted: true, ..FRAMES };
    explorer_evicted_at_any_time_of_a_destroy_then_holds: Scenario { evicted: true, ..BASE };
    explorer_evicted_and_frames_reused_then_holds:
        Scenario { evicted: true, publishes: 3, ..FRAMES };
    explorer_evicted_against_pulses_then_holds:
        Scenario { evicted: true, session_pulses: 1, local_pulses: 1, calls: 1, ..NO_FRAME_ONLY };
    explorer_evicted_while_it_waits_for_a_start_then_holds:
        Scenario { evicted: true, waits_for_start: true, session_pulses: 1, ..NO_FRAME };
    explorer_evicted_and_timed_then_holds: Scenario { evicted: true, timed: true, ..ONE_FRAME };
    explorer_evicted_and_killed_at_any_step_then_holds:
        Scenario { evicted: true, process_killed: true, ..BASE };
    explorer_evicted_and_one_thread_exits_then_holds:
        Scenario { evicted: true, thread_exits: true, ..ONE_FRAME };
    explorer_evicted_with_frames_kept_and_put_twice_then_holds:
        Scenario { evicted: true, put_twice: true, keeps_frames: true, calls: 2, ..FRAMES };

    explorer_quarantined_then_holds:
        Scenario { quarantined: true, waits_for_start: true, calls: 2, ..ONE_FRAME };
    explorer_quarantined_and_killed_then_holds:
        Scenario { quarantined: true, process_killed: true, ..BASE };

    explorer_exited_thread_succeeded_while_it_runs_then_holds:
        Scenario { thread_exits: true, succeeded: true, ..FRAMES };
    explorer_exited_thread_succeeded_and_destroy_then_holds:
        Scenario { thread_exits: true, succeeded: true, ..ONE_FRAME };
    explorer_exited_thread_succeeded_and_sigkill_then_holds:
        Scenario { thread_exits: true, succeeded: true, process_killed: true, ..ONE_FRAME };
    explorer_exited_thread_succeeded_and_evicted_then_holds:
        Scenario { thread_exits: true, succeeded: true, evicted: true, ..ONE_FRAME_ONLY };

    explorer_leaves_with_guards_and_callers_then_holds: LEAVES;
    explorer_leaves_with_two_guards_then_holds: Scenario { publishes: 2, ..LEAVES };
    explorer_leaves_and_is_destroyed_then_holds:
        Scenario { destroyed: true, alone: Some(0), calls: 2, ..LEAVES };
    explorer_leaves_and_is_evicted_then_holds:
        Scenario { evicted: true, alone: Some(0), calls: 2, ..LEAVES };
    explorer_leaves_and_is_evicted_with_frames_kept_then_holds:
        Scenario { evicted: true, alone: Some(0), keeps_frames: true, calls: 2, publishes: 2, ..LEAVES };
    explorer_leaves_and_is_evicted_with_a_handle_forgotten_then_holds:
        Scenario { handles: Handles::Forgotten, ..EVICTED };
    explorer_leaves_and_is_quarantined_with_a_handle_then_holds: Scenario {
        destroyed: true, quarantined: true, handles: Handles::Put, alone: Some(1), ..LEAVES
    };
    explorer_leaves_with_a_handle_then_holds: Scenario { handles: Handles::Put, ..LEAVES };
    explorer_finds_the_end_out_with_a_handle_then_holds:
        Scenario { found_out: true, handles: Handles::Put, ..LEAVES };
    explorer_finds_out_that_it_was_evicted_with_a_handle_then_holds:
        Scenario { found_out: true, handles: Handles::Put, ..EVICTED };
    explorer_finds_the_quarantine_out_with_a_handle_then_holds: Scenario {
        destroyed: true, quarantined: true, found_out: true, handles: Handles::Put, alone: Some(1),
        ..LEAVES
    };
    explorer_leaves_and_is_killed_at_any_step_then_holds:
        Scenario { process_killed: true, ..LEAVES };
    explorer_leaves_against_a_local_pulse_then_holds:
        Scenario { local_pulses: 1, publishes: 0, ..LEAVES };
    explorer_leaves_while_a_caller_waits_for_a_start_then_holds:
        Scenario { waits_for_start: true, local_pulses: 1, publishes: 0, ..LEAVES };

    explorer_waiters_after_recheck_alone_then_survives:
        Scenario { mutant: Some(Mutant::WaitersAfterRecheck), ..ONE_FRAME_ONLY };
    explorer_tail_before_head_alone_then_survives:
        Scenario { mutant: Some(Mutant::TailBeforeHead), calls: 2, ..FRAMES };
    explorer_waiters_before_bell_alone_then_survives:
        Scenario { mutant: Some(Mutant::WaitersBeforeBell), ..ONE_FRAME_ONLY };
}

mutants! {
    explorer_mutant_no_recheck_then_caught: NoRecheck in FRAMES => LostWake;
    explorer_mutant_bell_before_gate_then_caught: BellBeforeGate in BASE => LostStop;
    explorer_mutant_stop_wakes_one_then_caught: StopWakesOne in NO_FRAME => LostStop;
    explorer_mutant_start_wakes_one_then_caught:
        StartWakesOne in Scenario { evicted: true, waits_for_start: true, ..NO_FRAME }
        => LostStart;
    explorer_mutant_bit_not_gen_then_caught:
        BitNotGen in Scenario { local_pulses: 1, ..NO_FRAME_ONLY } => LostStop;
    explorer_mutant_kick_before_sub_then_caught: KickBeforeSub in ONE_FRAME => LostNotification;
    explorer_mutant_arm_after_scan_then_caught: ArmAfterScan in ONE_FRAME => LostNotification;
    explorer_mutant_undo_no_kick_then_caught: UndoNoKick in NO_FRAME => LostNotification;
    explorer_mutant_no_kick_on_put_then_caught: NoKickOnPut in ONE_FRAME => LostNotification;
    explorer_mutant_reclaim_no_cas_then_caught:
        ReclaimNoCas in Scenario { publishes: 3, ..BASE } => CreditedUnderHolder;
    explorer_mutant_head_first_then_caught:
        HeadFirst in Scenario { thread_exits: true, ..ONE_FRAME_ONLY } => LostWake;
    explorer_mutant_no_ring_on_thread_exit_then_caught:
        NoRingOnThreadExit in Scenario { thread_exits: true, ..ONE_FRAME_ONLY } => LostWake;
    explorer_mutant_timeout_drops_wake_then_caught:
        TimeoutDropsWake in Scenario { timed: true, ..ONE_FRAME_ONLY } => LostWake;
    explorer_mutant_timeout_beats_stop_then_caught:
        TimeoutBeatsStop in Scenario { timed: true, local_pulses: 1, ..NO_FRAME_ONLY }
        => SleeperMissedStop;
    explorer_mutant_credit_twice_then_caught:
        CreditTwice in Scenario { thread_exits: true, ..ONE_FRAME } => CreditedTwice;
    explorer_mutant_credit_no_tag_then_caught:
        CreditNoTag in Scenario { thread_exits: true, ..ONE_FRAME } => CreditedUnderHolder;
    explorer_mutant_handler_no_bell_then_caught:
        HandlerNoBell in Scenario { local_pulses: 1, local_in_handler: true, ..NO_FRAME_ONLY }
        => LostStop;
    explorer_mutant_wake_before_publish_then_caught:
        WakeBeforePublish in ONE_FRAME_ONLY => LostWake;
    explorer_mutant_both_waiters_then_caught: BothWaiters in ONE_FRAME_ONLY => LostWake;
    explorer_mutant_ack_any_stop_then_caught:
        AckAnyStop in Scenario { session_pulses: 1, calls: 2, ..ONE_FRAME }
        => DestroyedUnderCaller;
    explorer_mutant_intent_kept_then_caught:
        IntentKept in Scenario { thread_exits: true, keeps_frames: true, calls: 2, ..FRAMES }
        => CreditedDelivered;
    explorer_mutant_intend_before_look_then_caught:
        IntendBeforeLook in Scenario { thread_exits: true, keeps_frames: true, calls: 2, ..FRAMES }
        => CreditedDelivered;
    explorer_mutant_put_ignores_serial_then_caught:
        PutIgnoresSerial in Scenario { put_twice: true, publishes: 3, calls: 2, ..FRAMES }
        => StalePutReleased;
    explorer_mutant_ack_on_shared_slot_then_caught:
        AckOnSharedSlot in Scenario { shared_slot: true, ..ONE_FRAME } => DestroyedUnderCaller;
    explorer_mutant_ack_when_nested_then_caught:
        AckWhenNested in Scenario { nested_call: true, ..ONE_FRAME } => DestroyedUnderCaller;
    explorer_mutant_state_after_bells_then_caught:
        StateAfterBells in Scenario { evicted: true, ..NO_FRAME_ONLY } => NotStale;
    explorer_mutant_revoke_before_gate_then_caught:
        RevokeBeforeGate in Scenario { evicted: true, ..ONE_FRAME_ONLY } => PutLost;
    explorer_mutant_revoke_no_swap_then_caught:
        RevokeNoSwap in Scenario { evicted: true, ..ONE_FRAME_ONLY } => CreditedUnderHolder;
    explorer_mutant_reuse_held_then_caught:
        ReuseHeld in Scenario { evicted: true, ..ONE_FRAME_ONLY } => CreditedUnderHolder;
    explorer_mutant_aside_released_early_then_caught:
        AsideReleasedEarly in Scenario { evicted: true, ..ONE_FRAME_ONLY }
        => RewrittenUnderHolder;
    explorer_mutant_credit_at_evict_and_end_then_caught:
        CreditAtEvictAndEnd in Scenario { evicted: true, process_killed: true, ..ONE_FRAME_ONLY }
        => CreditedTwice;
    explorer_mutant_evict_wakes_nobody_then_caught:
        EvictWakesNobody in Scenario { evicted: true, ..NO_FRAME_ONLY } => LostStop;
    explorer_mutant_evict_wakes_no_starter_then_caught:
        EvictWakesNoStarter in Scenario { evicted: true, waits_for_start: true, ..NO_FRAME }
        => LostStart;
    explorer_mutant_start_reopens_evicted_then_caught:
        StartReopensEvicted in Scenario { evicted: true, session_pulses: 1, ..NO_FRAME }
        => NotStale;
    explorer_mutant_bury_first_then_caught:
        BuryFirst in Scenario { thread_exits: true, succeeded: true, ..ONE_FRAME_ONLY }
        => CreditedUnderHolder;
    explorer_mutant_stale_reading_then_caught:
        StaleReading in Scenario { thread_exits: true, succeeded: true, ..ONE_FRAME_ONLY }
        => BuriedAlive;
    explorer_mutant_leave_ignores_pins_then_caught: LeaveIgnoresPins in LEAVES => ZeroedUnderGuard;
    explorer_mutant_leave_asks_words_then_caught:
        LeaveAsksWords in Scenario { handles: Handles::Forgotten, ..EVICTED } => NeverLetGo;
    explorer_mutant_found_out_ignores_words_then_caught:
        FoundOutIgnoresWords in Scenario { found_out: true, handles: Handles::Put, ..LEAVES }
        => ZeroedHandle;
    explorer_mutant_pin_after_leave_then_caught: PinAfterLeave in LEAVES => ZeroedUnderGuard;
    explorer_mutant_unpin_after_put_then_caught:
        UnpinAfterPut in Scenario { publishes: 2, ..LEAVES } => ZeroedUnderGuard;
    explorer_mutant_pins_before_callers_then_caught:
        PinsBeforeCallers in LEAVES => ZeroedUnderGuard;
    explorer_mutant_ring_before_ctl_then_caught:
        RingBeforeCtl in Scenario { local_pulses: 1, publishes: 0, ..LEAVES } => LostStop;
    explorer_mutant_defer_before_ctl_then_caught:
        DeferBeforeCtl in Scenario { local_pulses: 1, ..LEAVES } => ZeroedUnderGuard;
    explorer_mutant_defer_after_look_then_caught: DeferAfterLook in LEAVES => NeverLetGo;
    explorer_mutant_no_look_on_return_then_caught: NoLookOnReturn in LEAVES => NeverLetGo;
    explorer_mutant_no_look_on_bounce_then_caught: NoLookOnBounce in LEAVES => NeverLetGo;
    explorer_mutant_no_look_on_put_then_caught: NoLookOnPut in LEAVES => NeverLetGo;
    explorer_mutant_seg_before_frames_then_caught:
        SegBeforeFrames in Scenario { handles: Handles::Forgotten, ..EVICTED }
        => CreditedUnderHolder;
    explorer_mutant_let_go_no_cas_then_caught: LetGoNoCas in LEAVES => LetGoTwice;
}

/// The model's gate is the product's gate.
#[test]
fn explorer_gate_words_then_those_of_the_product() {
    let gate = crate::gate::Gate::closed();
    assert!(gate.start());
    let mut model = Gate::OPEN;
    for _ in 0..3 {
        assert_eq!(gate.load(), u32::from(model.0));
        assert_eq!(crate::gate::is_open(gate.load()), model.is_open());
        gate.stop();
        model = model.stopped();
        assert_eq!(gate.load(), u32::from(model.0));
        assert_eq!(crate::gate::is_open(gate.load()), model.is_open());
        assert!(gate.start());
        model = model.started();
    }
}
