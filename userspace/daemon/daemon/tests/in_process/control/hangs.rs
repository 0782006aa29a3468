//! The control thread of a whole daemon hangs: the parts that wait for it are left behind, each of them.

use std::thread;

use onair_api::PartOutcome;
use onair_stage::in_own_process;
use onaird::shutdown::{Cause, Exit};

use crate::in_process::InProcess;

#[test]
fn daemon_its_control_thread_hangs_then_waiting_parts_are_left() {
    in_own_process!();
    let more = "[probe]\nmode = \"off\"\n[timeouts]\ngraceful_ms = 0\n\
        [shutdown]\nhandler_ms = 1000\ncleanup_ms = 1000\n";
    let daemon = InProcess::start(more, |_| ());
    daemon.started.on_the_control_thread(|_| {
        loop {
            thread::park();
        }
    });
    daemon.coordinator.begin(Cause::Signal(15));
    let summary = daemon.ended();
    assert_eq!(summary.exit_status, Exit::TimedOut.status());
    for name in ["sessions", "sockets", "control thread"] {
        let part = summary.parts.iter().find(|it| it.name == name).unwrap();
        assert_eq!(part.outcome, PartOutcome::TimedOut, "{part:?}");
    }
}
