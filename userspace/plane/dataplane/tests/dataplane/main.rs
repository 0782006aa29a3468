//! The dataplane over in-process wires: real pollers and packets, clients in this process.
//!
//! DPDK is initialised once in a process, so this is one test with one plane, which its scenarios
//! go through in turn. It needs neither privilege, hugepages nor an interface.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod rig;

mod clients;
mod pollers;
mod receiving;
mod sending;
mod sharing;

use std::time::Duration;

use onair_dataplane::PollerEvent;

use crate::rig::{Rig, receive};

#[test]
fn dataplane_over_a_wire_in_one_process_then_scenarios_pass() {
    let mut rig = Rig::open();
    assert_eq!(rig.plane.ports().len(), 5);
    receiving::pattern_sent_and_received_then_each_frame_once_and_right(&mut rig);
    receiving::session_stopped_and_started_then_goes_on_at_a_frame_boundary(&mut rig);
    receiving::session_stopped_under_packets_then_no_frame_leaks(&mut rig);
    receiving::source_that_pauses_then_its_last_timing_is_published(&mut rig);
    clients::slow_consumer_takes_nothing_then_only_its_own_frames_drop(&mut rig);
    clients::reader_evicted_with_frames_then_written_only_once_released(&mut rig);
    clients::thread_dead_in_a_running_session_then_credited_once(&mut rig);
    sending::client_source_submits_then_sent_in_order_and_gaps_counted(&mut rig);
    sending::client_source_flushed_without_sending_then_told_of_the_drop(&mut rig);
    receiving::datagrams_malformed_then_counted_by_reason(&mut rig);
    sending::sender_without_an_arp_answer_then_silent_and_handed_back(&mut rig);
    sharing::sender_goes_to_a_free_queue_and_receivers_to_the_least_load(&rig);
    sharing::sessions_of_both_pollers_get_every_packet(&mut rig);
    sharing::three_sessions_of_a_flow_on_two_pollers_then_each_gets_all(&mut rig);
    pollers::session_cannot_start_then_refused_with_the_runtime(&mut rig);
    pollers::poller_idle_sessions_then_sleeps(&mut rig);
    pollers::poller_panics_then_its_sessions_come_back_and_others_go_on(&mut rig);
    pollers::pollers_flushed_and_closed_then_buffers_empty_and_counted(&mut rig);

    let (runtime, _frames) = receive(99, 6000, 1);
    rig.start(runtime);
    let events = rig.plane.events();
    let summary = rig.plane.shutdown(Duration::from_secs(30)).unwrap();
    assert!(
        summary.ports[..2]
            .iter()
            .all(|(_, port)| port.rx_packets > 0)
    );
    assert!(rig.threads.all_stopped());
    let back = std::iter::from_fn(|| events.pop());
    assert!(
        back.into_iter()
            .any(|event| matches!(event, PollerEvent::HandedBack(it) if it.session() == 99))
    );
}
