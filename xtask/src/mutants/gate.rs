//! The gate, the ledger, and the verdict.

use super::table::Test::{File, Lives, Loom, Unit};
use super::table::mutants;

mutants! {
    // The verdict and the ledger.
    "verdict: without the probe" => Unit("onair-session", "verdict_every_combination");
    "verdict: without the ledger" => Unit("onair-session", "verdict_every_combination");
    "death: a process is credited twice" => Unit("onair-ipc", "credit_dead_process");
    "death: a thread is credited twice" => Unit("onair-ipc", "credit_dead_thread");
    "death: a thread is credited with what another thread took" => Unit("onair-ipc", "credit_dead_thread");
    // Gate and generation.
    "gates: read relaxed" => Loom("revoke");
    "gates: read again after the check" => Lives;
    "gates: the bit instead of the generation" => Lives;
    "gates: 1 is used, which closes to a fresh acknowledgement" => Unit("onair-ipc", "gate_wraps");
    "stop: the event counts before the gate" => Lives;
    "stop: one event count less" => Lives;
    "stop: wakes no caller" => Lives;
    "stop: a woken caller wakes no other" => Lives;
    "stop: a woken caller wakes one other" => Lives;
    "stop: wakes as many as the client says" => Unit("onair-engine", "waking_sleepers_that_count_often");
    "wake-ups: all at once, by the daemon" => File("onair-ipc", "hostile", "words_slept_on");
    "start: a woken caller wakes no other" => Lives;
    "exit: wakes none that waits for a start" => Lives;
    "local stop: one event count less" => Lives;
    "local stop: no event count" => Lives;
    "local stop: wakes none that wait for a start" => File("onair-ipc", "loan_and_take", "stop_of_callers_that_wait_for_a_start");
    // Sleeping.
    "wait: not on the life word" => Lives;
    "wait: the daemon's death is not passed on" => Lives;
    "wait: no look at the gates before the first sleep" => Lives;
    "wait: the deadline before the frame" => Lives;
    "wait: the deadline before the gates" => Lives;
    "wait_started: not on the session's gate" => Lives;
    "wait_started: not on the local gate" => Lives;
    "wait_started: not on the state" => File("onair-ipc", "loan_and_take", "wait_started_session_ends");
    "publish: the event count does not move" => Lives;
    "parts: a stop between two is missed" => File("onair", "client", "parts_pulse");
    // The event that says that the service ends.
    "final event: not for a call that finds a gate closed" => File("onair", "client", "draining");
    "final event: not after a sleep" => File("onair", "client", "drain_and_stop_at_once");
    "final event: the descriptor does not become readable" => File("onair", "client", "drain_of_a_stopped");
    "final event: the descriptor is readable for what no call takes" =>
        File("onair", "client", "drain_of_a_stopped");
    // Frames that are taken while they are received.
    "progress: stored relaxed" => Loom("progress");
    "progress: read relaxed" => Loom("progress");
    "progress: no fence after it is stored" => Loom("progress");
    "wanted: no fence after it is written" => Loom("progress");
    "wanted: written over in silence" => File("onair-sim", "schedules", "open");
    "progress: its sleeper is not woken" => File("onair-sim", "schedules", "open");
    "progress: a woken caller wakes no other" => File("onair-sim", "schedules", "open");
    "progress: a latecomer wakes no other" => File("onair-sim", "schedules", "open");
    "open: no look after it asked" => File("onair-sim", "schedules", "open");
    "open: its end wakes no caller that wants it whole" => File("onair-sim", "schedules", "open");
    "open: the head passes a frame that is left alone" => File("onair-ipc", "loan_and_take", "open");
    "stop: not to a caller that waits for progress" => File("onair-sim", "schedules", "open");
    // Counting.
    "enter: no light fence" => Loom("drain");
    "leave: no light fence" => Loom("kick");
    "leave: relaxed" => Loom("drain");
    "slots: relaxed" => Loom("drain");
    "slots: the acknowledgement relaxed" => Loom("drain");
    "barrier: none" => File("onair-ipc", "store_order", "");
    "barrier: no heavy fence" => Loom("kick");
    "slot: the acknowledgement of an old claim stays" => Unit("onair-ipc", "slot_old_ack");
    "slot: an old acknowledgement counts for a new stop" => Unit("onair-ipc", "slot_old_ack");
    "slot: the shared one takes an acknowledgement" => Unit("onair-ipc", "slot_old_ack");
    "slot: a handler acknowledges for the call that it interrupts" =>
        File("onair-ipc", "loan_and_take", "in_a_handler");
    "slot: claimed relaxed" => Loom("slot");
    // The kick.
    "kick: not after a refused call" => Lives;
    "kick: an old acknowledgement spares it" => Lives;
    "kick: not after a call that waited" => Lives;
    "kick: looked at before the count goes down" => Lives;
    "kick: not after a put" => File("onair-ipc", "loan_and_take", "put_after_stop");
    "kick: taken by two" => Unit("onair-ipc", "kick_armed");
    "kick: no fence before the look at the others" =>
        File("onair-ipc", "store_order", "callers_two_that_leave");
    "kick: taken, then kept for another one" => Lives;
    "kick: waits for one that has acknowledged" => Lives;
    "put: no fence before the kick" => Loom("kick");
    "kick: not armed for a drain" => File("onair-ipc", "loan_and_take", "put_after_stop");
    "ledger: a returned frame is not counted" => File("onair-ipc", "loan_and_take", "put_after_stop");
    // Evict.
    "evict: the frame word is read, then stored" => Lives;
    "evict: the ledger keeps the loans" => Lives;
    "evict: a held frame counts as unread" => Lives;
    "evict: swapped relaxed" => Loom("revoke");
    // Leave.
    "leave: although a frame is pinned" => File("onair", "client", "end_buffer_borrowed");
    "leave: although a caller is inside" => Lives;
    "leave: the pins only before the callers" => Unit("onair-ipc", "pins_one_set");
    "leave: found out, held handles keep nothing" => File("onair", "client", "end_handle_kept");
    "leave: by hand, held handles keep the memory" => File("onair", "client", "detach_after_an_end");
    "leave: wakes before the session's gate is replaced" => File("onair-sim", "schedules", "leave_against_a_stop");
    "leave: the check comes before the end is noted" => Lives;
    "leave: the words go before the frames" => Lives;
    "leave: each thread that checks releases the memory" => Unit("onair-ipc", "pins_ended_twice");
    "pin: set after the slot was left" => Lives;
    "pin: cleared relaxed" => Loom("leave");
    "pin: read relaxed" => Loom("leave");
    "pin: no light fence after it is cleared" => Loom("leave");
    "end: a put does not look" => File("onair", "client", "end_buffer_borrowed");
    "end: a call that waited does not look" => Lives;
    "end: a refused call does not look" => Lives;
    "files: no seal is asked for" => File("onair", "client", "attached_an_unsafe_file");
    "fork: a child joins its parent's thread" => File("onair-ipc", "loan_and_take", "child_drops_a_watch");
    // Frame words.
    "frame: taken back without a compare-exchange" => Lives;
    "event count: no fence after it moves" => Loom("sleep_");
    "event count: no fence after a caller joins" => Loom("sleep_");
    "frame: published relaxed" => Loom("sleep_");
    "frame: taken relaxed" => Loom("sleep_");
    "frame: put relaxed" => Loom("frame");
    "frame: credited relaxed" => Loom("frame");
    "frame: a put of an earlier loan releases the present one" => Unit("onair-ipc", "frame_word_stale_serial");
    "take: the intent of the previous call stays" => File("onair-ipc", "loan_and_take", "looking_again");
    "take: the intent is noted before the look" => File("onair-ipc", "loan_and_take", "looking_again");
    "fill: told relaxed" => Loom("fill");
    "fill: read relaxed" => Loom("fill");
    "fill: the progress of an earlier loan counts" => Loom("fill");
    "open: sent once more when it is returned" => File("onair-ipc", "loan_and_take", "open_frame_then");
    "reap: credits a frame with another serial" => Unit("onair-ipc", "reap_released");
}
