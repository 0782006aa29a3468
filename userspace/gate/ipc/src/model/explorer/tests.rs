//! Scenarios that must pass.

use super::*;

/// Declares a scenario as some other one with changes.
macro_rules! scenarios {
    ($($name:ident: $($field:ident = $value:expr),+ => $base:ident;)+) => {
        $(pub(super) const $name: Scenario = Scenario { $($field: $value,)+ ..$base };)+
    };
}

/// One `#[test]` for each scenario that must pass.
macro_rules! passing {
    ($($name:ident: $scenario:expr;)+) => {
        $(#[test]
        fn $name() {
            passes(&Explorer { scenario: $scenario });
        })+
    };
}

// Without a stop of the session: only frames and wakes.
scenarios! {
    FRAMES: destroyed = false => BASE;
    ONE_FRAME: publishes = 1 => BASE;
    ONE_FRAME_ONLY: publishes = 1 => FRAMES;
    NO_FRAME: publishes = 0 => BASE;
    NO_FRAME_ONLY: publishes = 0 => FRAMES;
}

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
    explorer_one_thread_exits_two_frames_then_no_wake_is_lost:
        Scenario { thread_exits: true, ..FRAMES };
    explorer_one_thread_exits_one_frame_then_no_wake_is_lost:
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
    explorer_put_twice_then_the_new_loan_is_untouched:
        Scenario { put_twice: true, publishes: 3, calls: 2, ..FRAMES };
    explorer_shared_slot_then_holds: Scenario { shared_slot: true, ..ONE_FRAME };
    explorer_call_in_a_handler_then_holds: Scenario { nested_call: true, ..ONE_FRAME };
    explorer_waits_for_start_through_pulses_then_holds:
        Scenario { waits_for_start: true, session_pulses: 1, local_pulses: 1, ..NO_FRAME };
    explorer_local_stop_of_starters_then_they_return:
        Scenario { waits_for_start: true, session_pulses: 1, local_pulses: 1, local_stays: true, ..NO_FRAME };
    explorer_local_stop_in_a_starters_handler_then_it_returns: Scenario {
        waits_for_start: true, session_pulses: 1, local_pulses: 1, local_stays: true, local_in_handler: true,
        ..NO_FRAME
    };
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
    explorer_waiters_after_recheck_alone_then_survives:
        Scenario { mutant: Some(Mutant::WaitersAfterRecheck), ..ONE_FRAME_ONLY };
    explorer_tail_before_head_alone_then_survives:
        Scenario { mutant: Some(Mutant::TailBeforeHead), calls: 2, ..FRAMES };
    explorer_waiters_before_count_alone_then_survives:
        Scenario { mutant: Some(Mutant::WaitersBeforeCount), ..ONE_FRAME_ONLY };
}

/// The model's gate is the product's gate.
#[test]
fn explorer_gate_words_then_those_of_the_product() {
    let gate = crate::gate::Gate::closed();
    assert!(gate.start());
    let mut model = GateValue::OPEN;
    for _ in 0..3 {
        for step in [GateValue::stopped, GateValue::started] {
            assert_eq!(gate.load(), u32::from(model.word));
            assert_eq!(crate::gate::is_open(gate.load()), model.is_open());
            if model.is_open() {
                gate.stop();
            } else {
                assert!(gate.start());
            }
            model = step(model);
        }
    }
}
