//! The shutdown of the daemon: the coordinator and its workers.

use super::table::Test::{File, Lives, System, Unit};
use super::table::mutants;

mutants! {
    "shutdown: begun from the start" => Unit("onaird", "shutdown_mgr__create");
    "shutdown: begun several times" => Unit("onaird", "shutdown_mgr__trigger");
    "shutdown: begun without waking its thread" => Unit("onaird", "shutdown_mgr__wakeup");
    "shutdown: a part that hangs is waited for" => Unit("onaird", "sequence_part_of_any_kind_hangs");
    "shutdown: workers are not told" => Unit("onaird", "shutdown_mgr__stop_threads");
    "shutdown: configured anew after it has begun" => Unit("onaird", "shutdown_mgr_configured");
    "shutdown: the last phases are not published" => Unit("onaird", "events_told_after");
    "shutdown: a task may end unnoticed" => Unit("onaird", "task_panics");
    "attach: a connection that panics has not hung up" => Unit("onaird", "connection_its_task_panics");
    "worker: accepts after it was told to stop" => Unit("onaird", "thread_state__stop");
    "workers: one of them is not told" => Unit("onaird", "shutdown_mgr__stop_threads");
    "workers: all have ended when one has" => Unit("onaird", "thread_registry__shutdown");
    "flush: done before the buffer is empty" => Unit("onaird", "shutdown_mgr__flush_request");
    "flush: not waited for" => Unit("onaird", "shutdown_mgr__flush_request");
    "flush: one of several is asked" => Unit("onaird", "multi_thread__flush");
    "jobs: refused as soon as the shutdown begins" => Unit("onair-workers", "worker_jobs_handed_in");
    "jobs: the end does not wait for them" => Unit("onair-workers", "worker_jobs_handed_in");
    "jobs: a failed one is not counted" => Unit("onair-workers", "worker_jobs_that_fail");
    "shutdown: a notification that hangs is waited for" => Unit("onaird", "sequence_part_of_any_kind_hangs");
    "shutdown: clients get no draining event" => System("shutdown::system__sigterm__then_clean_exit");
    "shutdown: destroys before all are stopped" => File("onair-session", "shutdown", "shutdown_any_class_then_all");
    "shutdown: a class does not wait for the one before" => File("onair-session", "shutdown", "shutdown_users_that_leave_soon");
    "shutdown: held sessions delay the others" => File("onair-session", "shutdown", "shutdown_users_that_stay_then_held");
    "shutdown: a forced one waits for users" => File("onair-session", "shutdown", "shutdown_forced_then_over");
    "shutdown: the remedy is applied again" => File("onair-session", "shutdown", "shutdown_evicted_one_hangs");
    "shutdown: clients are told after the stops" => Lives;
    "shutdown: sessions end before all are examined" => Lives;
    "shutdown: the highest number goes first" => Lives;
    "onaird: --duration is ignored" => System("shutdown::daemon_with_a_duration_then_ends");
    "ports: not closed at the end" => System("shutdown::system_sigterm_under_af_xdp_traffic");
    "session: leaks memory" => System("shutdown_load::shutdown__memory_usage__then_no_leaks");
    // Signals.
    "signals: a second one counts as the first" => File("onaird", "daemon", "signals_storm");
    "signals: of two kinds one is seen" => Unit("onaird", "signals_before_the_thread_looks");
    "signals: the old handlers are not restored" => File("onaird", "daemon", "signal_handler__restore");
    "signals: without SA_RESTART" => File("onaird", "daemon", "signal_handler__sa_restart");
    // Timers.
    "timer: an expiry during the shutdown counts" => Unit("onaird", "timer__expire_during_shutdown");
    "timer: not cancelled" => Unit("onaird", "timer__cancel");
    "timer: expires late" => Unit("onaird", "timer_expires_then");
    // stop() in a signal handler.
    "stop: says that the session is gone" => System("shutdown::system__ctrl_c__then_clean_exit");
    "stop: takes a lock" => File("onair-ipc", "stop_in_a_handler", "interrupts_stop");
    "stop: allocates" => File("onair-ipc", "stop_in_a_handler", "nothing_is_allocated");
    "stop: changes errno" => File("onair-ipc", "stop_in_a_handler", "errno_is_kept");
}
