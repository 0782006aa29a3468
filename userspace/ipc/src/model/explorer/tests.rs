//! What passes, and what must be caught.

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

/// One `#[test]` for each scenario that has to pass.
macro_rules! passing {
    ($($name:ident: $scenario:expr;)+) => {
        $(#[test]
        fn $name() {
            passes($scenario);
        })+
    };
}

/// One `#[test]` for each mutant that has to be caught.
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
/// The same, with one caller that has handles, and that is evicted before or after.
const EVICTED: Scenario = Scenario {
    evicted: true,
    alone: Some(1),
    ..LEAVES
};

passing! {
    explorer__frames_drain_destroy__then_holds: BASE;
    explorer__frames_only__then_no_wake_is_lost: Scenario { calls: 2, ..FRAMES };
    explorer__frames_only_with_timeouts__then_no_wake_is_lost: Scenario { timed: true, ..FRAMES };
    explorer__timeout_against_local_pulse__then_holds:
        Scenario { timed: true, local_pulses: 1, ..ONE_FRAME_ONLY };
    explorer__timeout_against_session_stop__then_holds: Scenario { timed: true, ..ONE_FRAME };
    explorer__three_frames_in_two_buffers__then_holds: Scenario { publishes: 3, ..BASE };
    explorer__session_pulse_then_destroy__then_holds: Scenario { session_pulses: 1, ..ONE_FRAME };
    explorer__local_pulse_by_thread_and_destroy__then_holds:
        Scenario { local_pulses: 1, ..ONE_FRAME };
    explorer__local_pulse_by_handler_and_destroy__then_holds:
        Scenario { local_pulses: 1, local_in_handler: true, ..ONE_FRAME };
    explorer__two_local_pulses_by_handler__then_holds:
        Scenario { local_pulses: 2, local_in_handler: true, calls: 2, ..ONE_FRAME_ONLY };
    explorer__sigkill_at_any_step__then_holds: Scenario { process_killed: true, ..BASE };
    explorer__sigkill_and_local_pulse__then_holds:
        Scenario { process_killed: true, local_pulses: 1, ..ONE_FRAME };
    explorer__one_thread_exits_at_any_step__then_holds: Scenario { thread_exits: true, ..BASE };
    explorer__one_thread_exits_two_frames_only__then_no_wake_is_lost:
        Scenario { thread_exits: true, ..FRAMES };
    explorer__one_thread_exits_one_frame_only__then_no_wake_is_lost:
        Scenario { thread_exits: true, ..ONE_FRAME_ONLY };
    explorer__two_calls_each_and_drain__then_holds: Scenario { calls: 2, ..ONE_FRAME };
    explorer__thread_exit_then_sigkill__then_holds:
        Scenario { thread_exits: true, process_killed: true, ..BASE };
    explorer__thread_exit_and_local_pulse__then_holds:
        Scenario { thread_exits: true, local_pulses: 1, ..ONE_FRAME_ONLY };
    explorer__both_gates_pulse__then_holds:
        Scenario { session_pulses: 1, local_pulses: 1, ..NO_FRAME };
    explorer__thread_exits_holding_another_frame__then_holds:
        Scenario { thread_exits: true, keeps_frames: true, calls: 2, ..FRAMES };
    explorer__put_twice__then_the_new_lend_is_untouched:
        Scenario { put_twice: true, publishes: 3, calls: 2, ..FRAMES };
    explorer__shared_slot__then_holds: Scenario { shared_slot: true, ..ONE_FRAME };
    explorer__call_in_a_handler__then_holds: Scenario { nested_call: true, ..ONE_FRAME };
    explorer__waits_for_start_through_pulses__then_holds:
        Scenario { waits_for_start: true, session_pulses: 1, local_pulses: 1, ..NO_FRAME };

    explorer__evicted_while_it_runs__then_holds: Scenario { evicted: true, ..FRAMES };
    explorer__evicted_at_any_time_of_a_destroy__then_holds: Scenario { evicted: true, ..BASE };
    explorer__evicted_and_frames_reused__then_holds:
        Scenario { evicted: true, publishes: 3, ..FRAMES };
    explorer__evicted_against_pulses__then_holds:
        Scenario { evicted: true, session_pulses: 1, local_pulses: 1, calls: 1, ..NO_FRAME_ONLY };
    explorer__evicted_while_it_waits_for_a_start__then_holds:
        Scenario { evicted: true, waits_for_start: true, session_pulses: 1, ..NO_FRAME };
    explorer__evicted_and_timed__then_holds: Scenario { evicted: true, timed: true, ..ONE_FRAME };
    explorer__evicted_and_killed_at_any_step__then_holds:
        Scenario { evicted: true, process_killed: true, ..BASE };
    explorer__evicted_and_one_thread_exits__then_holds:
        Scenario { evicted: true, thread_exits: true, ..ONE_FRAME };
    explorer__evicted_with_frames_kept_and_put_twice__then_holds:
        Scenario { evicted: true, put_twice: true, keeps_frames: true, calls: 2, ..FRAMES };

    explorer__quarantined__then_holds:
        Scenario { quarantined: true, waits_for_start: true, calls: 2, ..ONE_FRAME };
    explorer__quarantined_and_killed__then_holds:
        Scenario { quarantined: true, process_killed: true, ..BASE };

    explorer__exited_thread_succeeded_while_it_runs__then_holds:
        Scenario { thread_exits: true, succeeded: true, ..FRAMES };
    explorer__exited_thread_succeeded_and_destroy__then_holds:
        Scenario { thread_exits: true, succeeded: true, ..ONE_FRAME };
    explorer__exited_thread_succeeded_and_sigkill__then_holds:
        Scenario { thread_exits: true, succeeded: true, process_killed: true, ..ONE_FRAME };
    explorer__exited_thread_succeeded_and_evicted__then_holds:
        Scenario { thread_exits: true, succeeded: true, evicted: true, ..ONE_FRAME_ONLY };

    explorer__leaves_with_guards_and_callers__then_holds: LEAVES;
    explorer__leaves_with_two_guards__then_holds: Scenario { publishes: 2, ..LEAVES };
    explorer__leaves_and_is_destroyed__then_holds:
        Scenario { destroyed: true, alone: Some(0), calls: 2, ..LEAVES };
    explorer__leaves_and_is_evicted__then_holds:
        Scenario { evicted: true, alone: Some(0), calls: 2, ..LEAVES };
    explorer__leaves_and_is_evicted_with_frames_kept__then_holds:
        Scenario { evicted: true, alone: Some(0), keeps_frames: true, calls: 2, publishes: 2, ..LEAVES };
    explorer__leaves_and_is_evicted_with_a_handle_forgotten__then_holds:
        Scenario { handles: Handles::Forgotten, ..EVICTED };
    explorer__leaves_and_is_quarantined_with_a_handle__then_holds: Scenario {
        destroyed: true, quarantined: true, handles: Handles::Put, alone: Some(1), ..LEAVES
    };
    explorer__leaves_with_a_handle__then_holds: Scenario { handles: Handles::Put, ..LEAVES };
    explorer__finds_the_end_out_with_a_handle__then_holds:
        Scenario { found_out: true, handles: Handles::Put, ..LEAVES };
    explorer__finds_out_that_it_was_evicted_with_a_handle__then_holds:
        Scenario { found_out: true, handles: Handles::Put, ..EVICTED };
    explorer__finds_the_quarantine_out_with_a_handle__then_holds: Scenario {
        destroyed: true, quarantined: true, found_out: true, handles: Handles::Put, alone: Some(1),
        ..LEAVES
    };
    explorer__leaves_and_is_killed_at_any_step__then_holds:
        Scenario { process_killed: true, ..LEAVES };
    explorer__leaves_against_a_local_pulse__then_holds:
        Scenario { local_pulses: 1, publishes: 0, ..LEAVES };
    explorer__leaves_while_a_caller_waits_for_a_start__then_holds:
        Scenario { waits_for_start: true, local_pulses: 1, publishes: 0, ..LEAVES };

    explorer__waiters_after_recheck_alone__then_survives:
        Scenario { mutant: Some(Mutant::WaitersAfterRecheck), ..ONE_FRAME_ONLY };
    explorer__tail_before_head_alone__then_survives:
        Scenario { mutant: Some(Mutant::TailBeforeHead), calls: 2, ..FRAMES };
    explorer__waiters_before_bell_alone__then_survives:
        Scenario { mutant: Some(Mutant::WaitersBeforeBell), ..ONE_FRAME_ONLY };
}

mutants! {
    explorer__mutant_no_recheck__then_caught: NoRecheck in FRAMES => LostWake;
    explorer__mutant_bell_before_gate__then_caught: BellBeforeGate in BASE => LostStop;
    explorer__mutant_stop_wakes_one__then_caught: StopWakesOne in NO_FRAME => LostStop;
    explorer__mutant_start_wakes_one__then_caught:
        StartWakesOne in Scenario { evicted: true, waits_for_start: true, ..NO_FRAME }
        => LostStart;
    explorer__mutant_bit_not_gen__then_caught:
        BitNotGen in Scenario { local_pulses: 1, ..NO_FRAME_ONLY } => LostStop;
    explorer__mutant_kick_before_sub__then_caught: KickBeforeSub in ONE_FRAME => LostNotification;
    explorer__mutant_arm_after_scan__then_caught: ArmAfterScan in ONE_FRAME => LostNotification;
    explorer__mutant_undo_no_kick__then_caught: UndoNoKick in NO_FRAME => LostNotification;
    explorer__mutant_no_kick_on_put__then_caught: NoKickOnPut in ONE_FRAME => LostNotification;
    explorer__mutant_reclaim_no_cas__then_caught:
        ReclaimNoCas in Scenario { publishes: 3, ..BASE } => CreditedUnderHolder;
    explorer__mutant_head_first__then_caught:
        HeadFirst in Scenario { thread_exits: true, ..ONE_FRAME_ONLY } => LostWake;
    explorer__mutant_no_ring_on_thread_exit__then_caught:
        NoRingOnThreadExit in Scenario { thread_exits: true, ..ONE_FRAME_ONLY } => LostWake;
    explorer__mutant_timeout_drops_wake__then_caught:
        TimeoutDropsWake in Scenario { timed: true, ..ONE_FRAME_ONLY } => LostWake;
    explorer__mutant_timeout_beats_stop__then_caught:
        TimeoutBeatsStop in Scenario { timed: true, local_pulses: 1, ..NO_FRAME_ONLY }
        => SleeperMissedStop;
    explorer__mutant_credit_twice__then_caught:
        CreditTwice in Scenario { thread_exits: true, ..ONE_FRAME } => CreditedTwice;
    explorer__mutant_credit_no_tag__then_caught:
        CreditNoTag in Scenario { thread_exits: true, ..ONE_FRAME } => CreditedUnderHolder;
    explorer__mutant_handler_no_bell__then_caught:
        HandlerNoBell in Scenario { local_pulses: 1, local_in_handler: true, ..NO_FRAME_ONLY }
        => LostStop;
    explorer__mutant_wake_before_publish__then_caught:
        WakeBeforePublish in ONE_FRAME_ONLY => LostWake;
    explorer__mutant_both_waiters__then_caught: BothWaiters in ONE_FRAME_ONLY => LostWake;
    explorer__mutant_ack_any_stop__then_caught:
        AckAnyStop in Scenario { session_pulses: 1, calls: 2, ..ONE_FRAME }
        => DestroyedUnderCaller;
    explorer__mutant_intent_kept__then_caught:
        IntentKept in Scenario { thread_exits: true, keeps_frames: true, calls: 2, ..FRAMES }
        => CreditedDelivered;
    explorer__mutant_intend_before_look__then_caught:
        IntendBeforeLook in Scenario { thread_exits: true, keeps_frames: true, calls: 2, ..FRAMES }
        => CreditedDelivered;
    explorer__mutant_put_ignores_serial__then_caught:
        PutIgnoresSerial in Scenario { put_twice: true, publishes: 3, calls: 2, ..FRAMES }
        => StalePutReleased;
    explorer__mutant_ack_on_shared_slot__then_caught:
        AckOnSharedSlot in Scenario { shared_slot: true, ..ONE_FRAME } => DestroyedUnderCaller;
    explorer__mutant_ack_when_nested__then_caught:
        AckWhenNested in Scenario { nested_call: true, ..ONE_FRAME } => DestroyedUnderCaller;
    explorer__mutant_state_after_bells__then_caught:
        StateAfterBells in Scenario { evicted: true, ..NO_FRAME_ONLY } => NotStale;
    explorer__mutant_revoke_before_gate__then_caught:
        RevokeBeforeGate in Scenario { evicted: true, ..ONE_FRAME_ONLY } => PutLost;
    explorer__mutant_revoke_no_swap__then_caught:
        RevokeNoSwap in Scenario { evicted: true, ..ONE_FRAME_ONLY } => CreditedUnderHolder;
    explorer__mutant_reuse_held__then_caught:
        ReuseHeld in Scenario { evicted: true, ..ONE_FRAME_ONLY } => CreditedUnderHolder;
    explorer__mutant_aside_released_early__then_caught:
        AsideReleasedEarly in Scenario { evicted: true, ..ONE_FRAME_ONLY }
        => RewrittenUnderHolder;
    explorer__mutant_credit_at_evict_and_end__then_caught:
        CreditAtEvictAndEnd in Scenario { evicted: true, process_killed: true, ..ONE_FRAME_ONLY }
        => CreditedTwice;
    explorer__mutant_evict_wakes_nobody__then_caught:
        EvictWakesNobody in Scenario { evicted: true, ..NO_FRAME_ONLY } => LostStop;
    explorer__mutant_evict_wakes_no_starter__then_caught:
        EvictWakesNoStarter in Scenario { evicted: true, waits_for_start: true, ..NO_FRAME }
        => LostStart;
    explorer__mutant_start_reopens_evicted__then_caught:
        StartReopensEvicted in Scenario { evicted: true, session_pulses: 1, ..NO_FRAME }
        => NotStale;
    explorer__mutant_bury_first__then_caught:
        BuryFirst in Scenario { thread_exits: true, succeeded: true, ..ONE_FRAME_ONLY }
        => CreditedUnderHolder;
    explorer__mutant_stale_reading__then_caught:
        StaleReading in Scenario { thread_exits: true, succeeded: true, ..ONE_FRAME_ONLY }
        => BuriedAlive;
    explorer__mutant_leave_ignores_pins__then_caught: LeaveIgnoresPins in LEAVES => ZeroedUnderGuard;
    explorer__mutant_leave_asks_words__then_caught:
        LeaveAsksWords in Scenario { handles: Handles::Forgotten, ..EVICTED } => NeverLetGo;
    explorer__mutant_found_out_ignores_words__then_caught:
        FoundOutIgnoresWords in Scenario { found_out: true, handles: Handles::Put, ..LEAVES }
        => ZeroedHandle;
    explorer__mutant_pin_after_leave__then_caught: PinAfterLeave in LEAVES => ZeroedUnderGuard;
    explorer__mutant_unpin_after_put__then_caught:
        UnpinAfterPut in Scenario { publishes: 2, ..LEAVES } => ZeroedUnderGuard;
    explorer__mutant_pins_before_callers__then_caught:
        PinsBeforeCallers in LEAVES => ZeroedUnderGuard;
    explorer__mutant_ring_before_ctl__then_caught:
        RingBeforeCtl in Scenario { local_pulses: 1, publishes: 0, ..LEAVES } => LostStop;
    explorer__mutant_defer_before_ctl__then_caught:
        DeferBeforeCtl in Scenario { local_pulses: 1, ..LEAVES } => ZeroedUnderGuard;
    explorer__mutant_defer_after_look__then_caught: DeferAfterLook in LEAVES => NeverLetGo;
    explorer__mutant_no_look_on_return__then_caught: NoLookOnReturn in LEAVES => NeverLetGo;
    explorer__mutant_no_look_on_bounce__then_caught: NoLookOnBounce in LEAVES => NeverLetGo;
    explorer__mutant_no_look_on_put__then_caught: NoLookOnPut in LEAVES => NeverLetGo;
    explorer__mutant_seg_before_frames__then_caught:
        SegBeforeFrames in Scenario { handles: Handles::Forgotten, ..EVICTED }
        => CreditedUnderHolder;
    explorer__mutant_let_go_no_cas__then_caught: LetGoNoCas in LEAVES => LetGoTwice;
}

/// The model's gate is the product's gate.
#[test]
fn explorer__gate_words__then_those_of_the_product() {
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
