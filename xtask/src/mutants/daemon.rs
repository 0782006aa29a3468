//! The daemon while it runs: witnesses, disk, recorder, probe, control thread.

use super::table::Test::{self, File, Lives, System, Unit};
use super::table::mutants;

/// Lives of the state directory.
const STATE: Test = File("onair-sim", "lives", "state_directory_through_deaths");

/// Lives of the engine.
const ENGINE: Test = File("onair-sim", "lives", "engine_in_lives");

mutants! {
    // The engine.
    "engine: effects in the wrong order" => ENGINE;
    "engine: an answer of the core is forgotten" => ENGINE;
    "engine: no event tells of a stop" => ENGINE;
    "engine: the share of a session that ended stays taken" => ENGINE;
    "engine: the room of a session that ended stays taken" => ENGINE;
    "group: what was made of a refused one stays" => ENGINE;
    "group: the last member is not stopped" => ENGINE;
    "group: members wait for a refused one" => File("onair-engine", "simulated", "member_of_a_stalled_poller");
    "memory: no look at what waits" => ENGINE;
    "store: a stop is not noted" => ENGINE;
    "store: new addresses are not noted" => ENGINE;
    "store: a session that a user ended comes back" => ENGINE;
    "engine: a reservation is not given back" => ENGINE;
    "recorder: a recording outlives its session" => ENGINE;
    "durable: no answer if the disk is late" => ENGINE;
    "restore: a stopped session starts" => ENGINE;
    "restore: a member leaves its group" => ENGINE;
    "engine: the periodic check is always due" => ENGINE;
    "shutdown: a session that is ready is forgotten" => ENGINE;
    "poller: a death is not noted" => ENGINE;
    "restart: the second leg needs no poller" => File("onair-engine", "simulated", "two_legs_whose_only_poller_died");
    "send: what a dead poller had is not counted" => File("onair-engine", "simulated", "sender_whose_poller_died");
    // Witnesses.
    "W3: zero although a poller has the session" => Unit("onair-session", "pollers_before_and_after");
    "W4: always zero" => File("onair-engine", "simulated", "sender_left_and_its_memory");
    "W4: no openings are counted" => System("quarantine::frames_kept_by_o_path_in_five");
    "memory: pinned pages are not counted" => Unit("onair-ipc", "page_in_a_pipe");
    "fresh: what a filler leaves is used again" => Unit("onair-ipc", "page_that_the_kernel_keeps");
    "fresh: stale frames are offered" => Unit("onair-dataplane", "frames_of_a_former_filler");
    "takeover: what clients keep is not left to the next daemon" => File("onair-engine", "simulated", "taken_over_with_a_session_aside");
    "W4: leaves out what departed senders still map" => File("onair-engine", "simulated", "sender_left_and_its_memory");
    // The states of a session.
    "lifecycle: a stop leaves the starts that wait" => Unit("onair-session", "lifecycle_every_event_sequence");
    "lifecycle: drains although a start waits" => Unit("onair-session", "lifecycle_every_event_sequence");
    "lifecycle: a second runtime replaces the first" => Unit("onair-session", "lifecycle_every_event_sequence");
    // The session's core.
    "drain: arms no kick" => Lives;
    "drain: a kick changes nothing" => Lives;
    "drain: a thread's end changes nothing" => File("onair-session", "together", "threads_that_end_together");
    "drain: a dead thread that has acknowledged is left" => Lives;
    "drain: of threads that end together one is settled" =>
        File("onair-session", "together", "threads_that_end_together");
    "drain: a kick may be lost with its thread" => File("onair-session", "together", "threads_end_then_examined");
    "drain: each end of a thread has the witnesses examined" => File("onair-session", "together", "threads_end_then_examined");
    "drain: without rescans once they have ended" => File("onair-session", "together", "rescans_end_while");
    "drain: ends of threads are not made up for" => File("onair-session", "together", "thread_ends_inside_amid");
    "stop: users of the last run count" => File("onair-session", "together", "threads_end_then_examined");
    "together: arms the kicks of one session" => Lives;
    "together: W2 before W1" => File("onair-session", "together", "together_frame_held");
    "together: W1 of one session for all" => File("onair-session", "together", "together_frame_held");
    "poller: raised beside all other threads" => System("media_pollers::daemon_confined_to_the_core_of_its_busy_poller");
    "transmit: a link that is down takes packets" => System("port::link_of_af_packet");
    "poller: a socket's error is not read" => System("packet_port::packet_port_silent_or_down");
    "poller: a stall is a loss" => File("onair-engine", "simulated", "pollers_stall_for_four_seconds");
    "poller: a stall is not seen" => File("onaird", "daemon", "poller_hangs");
    "outbox: a full queue holds other pollers" => File("onaird", "daemon", "poller_hangs");
    "poller: its queues die with it" => File("onaird", "daemon", "session_of_a_dead_poller");
    "neighbour: silence is not seen" => Unit("onair-dataplane", "neighbour_falls_silent");
    "neighbour: a silent one is sent to for ever" => Unit("onair-dataplane", "neighbour_falls_silent");
    "retarget: amid a frame" => System("retarget::sessions_of_a_port_with_two_pollers");
    "hand-over: a flow stays in its lane" => Unit("onair-dataplane", "flow_of_several_sessions");
    "delivery: the second session of a flow gets nothing" => Unit("onair-dataplane", "burst_of_any_order");
    "groups: a stopped session stays joined" => File("onair-engine", "simulated", "one_flow_of_several");
    "groups: joined again without a leave" => Unit("onair-dataplane", "group_joined_again_then_left");
    "kept: a client that comes back gets what it had" => Unit("onair-dataplane", "client_comes_back_then_each_kept");
    "together: no canary" => Unit("onaird", "walk_probe_goes_blind");
    "evict: the poller is not told" => File("onair-session", "together", "client_evicted_while_it_runs");
    "hand-back: evictions are not settled" => Lives;
    "hand-back: departures are not settled" => Lives;
    "destroy: memory of evicted clients is left out" => Lives;
    "quarantine: freed while a process has the memory" => Lives;
    "drain: a session does not wait for its turn" => Lives;
    "drain: a turn is not given back" => Lives;
    "destroy: the clients are not told" => Lives;
    "destroy: open requests are left" => Lives;
    "flush: only collected frames count" => Lives;
    "quarantine: the clients are not told" => Lives;
    "leave: what was given back is not settled first" => Lives;
    "death: a thread is settled as it was when asked about" => Lives;
    "attach: one that a poller refused is not sent again" => Lives;
    // Two legs.
    "legs: a hole is given up at once" => Unit("onair-essence", "hole_waits_for_the_later_leg");
    "legs: a leg that is gone is waited for" => Unit("onair-essence", "leg_that_is_gone_then_not_waited_for");
    "legs: a leg is taken for the stream unproven" => Unit("onair-essence", "leg_of_another_stream_then_counted");
    "legs: one packet proves a leg" => Unit("onair-essence", "some_packets_where_the_stream_stands");
    "legs: a copy is in time whenever it comes" => Unit("onair-essence", "leg_later_than_its_class");
    "units: a refused packet takes a number" => File("onair-essence", "fuzz", "refused_packets_of_every_reason");
    "video: a refused packet is of another format" => File("onair-essence", "fuzz", "refused_packets_of_every_reason");
    "audio: a refused packet is kept" => File("onair-essence", "fuzz", "refused_packet_behind_a_gap");
    "source: a packet ends a candidate" => File("onair-essence", "fuzz", "source_restarts_while_one_in_16");
    "legs: a refused packet takes a number" => File("onair-essence", "fuzz", "refused_packets_on_either_leg");
    "legs: a copy is passed on" => Unit("onair-essence", "both_legs_then_each_packet_once");
    "legs: a long loss ends the one leg's stream" => Unit("onair-essence", "both_legs_out_and_one_back_early");
    "legs: one packet far ahead is the stream" => Unit("onair-essence", "one_packet_far_ahead");
    "legs: one packet is a new source" => Unit("onair-essence", "source_a_packet_after_silence");
    "losses: any hole counts" => File("onair-essence", "fuzz", "numbers_far_ahead");
    "pace: any two packets agree" => File("onair-essence", "fuzz", "packets_of_any_time_ahead");
    "pace: a unit begins between two" => File("onair-essence", "fuzz", "packets_of_any_time_ahead");
    "units: a number far ahead is of the unit" => File("onair-essence", "fuzz", "packets_of_any_time_ahead");
    "video: a number is of the packet that has it first" => File("onair-essence", "fuzz", "numbers_of_others");
    "video: a packet of bytes that came takes a number" => File("onair-essence", "fuzz", "numbers_of_others");
    "jpeg xs: a number need not agree with its place" => File("onair-essence", "fuzz", "numbers_of_others");
    "legs: a number is of the packet that has it first" => File("onair-essence", "fuzz", "numbers_of_others");
    "video: a frame a packet" => File("onair-essence", "fuzz", "unit_a_packet");
    "units: a unit a packet" => File("onair-essence", "fuzz", "unit_a_packet");
    "legs: a packet far ahead waits for its turn" => Unit("onair-essence", "some_far_ahead_that_agree");
    "sequence: numbers far ahead stay taken" => File("onair-essence", "fuzz", "numbers_ahead_in_a_unit");
    "video: what was ahead makes the rest late" => File("onair-essence", "fuzz", "two_packets_a_second_ahead");
    "video: one timestamp moves the clock" => File("onair-essence", "fuzz", "one_packet_a_second_ahead");
    "units: one timestamp moves the clock" => File("onair-essence", "fuzz", "one_packet_a_second_ahead");
    "source: one packet is a new one" => File("onair-essence", "fuzz", "source_a_packet");
    "audio: one packet is a new source" => File("onair-essence", "fuzz", "source_a_packet");
    "audio: one packet moves the clock" => Unit("onair-essence", "packet_of_20_ahead");
    "legs: what a link brings late is a restart" => Unit("onair-essence", "packets_that_a_link_held_back");
    "legs: a gap on both waits for a silence" => Unit("onair-essence", "gap_on_both_legs_at_one_time");
    "units: a marker ends what is not all" => File("onair-essence", "sweep", "markers_early_late");
    "survey: what is missing has a step" => File("onair-essence", "sweep", "packets_lost_doubled");
    "survey: the first packet says what it is" => File("onair-essence", "fuzz", "refused_packets_among_what_is_surveyed");
    "units: an early marker is believed again" => Unit("onair-essence", "marker_on_an_earlier_packet_too");
    // What is on disk.
    "disk: not synced" => STATE;
    "disk: renamed before it is synced" => STATE;
    "disk: not synced later" => STATE;
    "disk: the folder of several files is not synced" => STATE;
    "disk: the folder of one file is not synced" => STATE;
    "disk: a removal that is tried again is not synced" => STATE;
    "disk: names that a dead daemon left are not synced" => STATE;
    "archive: a log is begun anew without its files" => Unit("onair-archive", "disk_full_at_stop_and_start");
    "wal: not synced" => STATE;
    "wal: records of an earlier round count" => Unit("onair-archive", "log_begun_anew");
    "wal: the digest is not checked" => Unit("onair-archive", "record_of_which_a_block");
    "archive: a pending form replaces the completed one" => Unit("onair-archive", "older_form_in_the_log");
    "archive: a new log before the disk has the files" => STATE;
    "certificate: answered before it is on disk" => STATE;
    "store: a restart reaches generations that the disk does not know" => STATE;
    "store: what the disk refuses counts as written" => STATE;
    "unwritten: told of an earlier write" => Unit("onair-archive", "write_under_way");
    "unwritten: what failed is not tried again" => STATE;
    "recording: not synced at its end" => System("durability::recording_finished");
    "recording: renamed before it is synced" => System("durability::recording_finished");
    "recording: its manifest is not synced" => System("durability::recording_finished");
    "recording: its folder is not synced" => System("durability::recording_finished");
    // The recorder.
    "recorder: takes no event" => System("recorder_ends::system__data_integrity__then_no_loss");
    "recorder: does not drain at the end" => File("onair-record", "record", "drain_thread__final_drain");
    "recorder: the end does not wake the drain thread" =>
        File("onair-record", "record", "drain_thread__shutdown_wake");
    "recorder: it goes on with another session" => Unit("onair-engine", "recording_is_over_without_its_session");
    "recorder: its request outlives its end" => File("onair-record", "record", "recording_killed_twice");
    "takeover: the kernel may kill the running daemon" => System("takeover::memory::successor_fails_or_memory_too_short");
    "direct writes: a refused one counts" => Unit("onair-record", "part_whose_file_takes_no_more");
    "direct writes: those behind a refused one are lost" => Unit("onair-record", "part_whose_file_takes_no_more");
    "direct writes: the end does not wait for them" => Unit("onair-record", "part_written_behind");
    // A dying daemon.
    "guardian: memory of its own" => File("onair-ipc", "guardian", "guardian_gets_signals");
    "guardian: files of its own" => File("onair-ipc", "guardian", "guardian_killed_daemon");
    "guardian: does not wait for the daemon's death" => File("onair-ipc", "guardian", "guardian_killed_daemon");
    "guardian: any signal ends it" => File("onair-ipc", "guardian", "guardian_gets_signals");
    "guardian: none takes its place" => System("guardian::guardian_stopped_or_killed");
    "start: beside the last daemon's guardian" => Unit("onaird", "state_dir_of_a_dead_daemon");
    "creator: its session outlives it" => File("onair-engine", "simulated", "creator_of_a_session_gone");
    // The probe, and what is shared out.
    "probe: text is not compared" => System("blockers_blind::sites_disarmed_or_changed");
    "probe: sleepers are not compared" =>
        System("blockers_blind::site_on_a_copy_of_its_page");
    "probe: blindness is not latched" => System("blockers_blind::sites_disarmed_or_changed");
    "look: one process stands for another" =>
        File("onair-probe", "kernel", "looks_together_at_several_processes");
    "look: one session's words for all" => File("onair-probe", "kernel", "looks_together_at_attachments");
    "shares: one user may take all" => Unit("onair-probe", "make_room_one_user_has_its_share");
    "If-Match: not checked" => File("onaird", "daemon", "if_match_of_a_changed_session");
    // The control thread and the log.
    "control: messages have no budget" => Unit("onair-engine", "source_that_is_never_empty");
    "control: tasks have no budget" => Unit("onair-engine", "turn_with_more_tasks");
    "start: any process of the guardian's number is killed" => Unit("onaird", "process_of_another_name_or_start_time");
    "attach: an early packet proves its sender" => Unit("onaird", "request_sent_before_the_open");
    "attach: any sender will do" => Unit("onaird", "packet_of_another_process");
    "control: rests for the host's absence" => Unit("onair-engine", "host_absent_amid_a_task");
    "control: a task does not rest" => Unit("onair-engine", "task_ran_for_long");
    "log: a full queue blocks" => Unit("onaird", "lines_more_than_there_is_room_for");
    "lamp: one look is a fault" => Unit("onair-engine", "fault_of_two_looks_is_told");
    "lamp: one pause is a fault" => Unit("onair-engine", "pauses_again_and_again_then_told");
    "lamp: a late host is a jump" => Unit("onair-engine", "right_timestamps_then_no_fault");
    "lamp: a look between two counts misses a unit" => Unit("onair-engine", "looks_between_two_counts_and_uneven");
    "lamp: a late host misses units" => Unit("onair-engine", "seconds_of_all_kinds_then_short_or_not");
}
