//! A whole daemon in this process: it starts, it is told to end, parts of it hang, and the process
//! lives on. It needs no probe.

use std::thread;
use std::time::Duration;

use onair_api::{PartOutcome, ShutdownPhase};
use onair_stage::in_own_process;
use onaird::shutdown::{Cause, Exit, PartError, Waiting};

use crate::in_process::InProcess;

fn hang(_: &Waiting) -> Result<(), PartError> {
    loop {
        thread::park();
    }
}

#[test]
fn daemon_with_a_part_hanging_in_each_phase_then_each_is_named() {
    in_own_process!();
    let more = "[probe]\nmode = \"off\"\n[shutdown]\nhandler_ms = 3000\n";
    let daemon = InProcess::start(more, |coordinator| {
        coordinator.register_shutdown_waiter("hung waiter", 60, Duration::from_millis(50), hang);
        coordinator.register_server_shutdown("hung server", hang);
        coordinator.register_cleanup("hung cleanup", 45, hang);
    });
    assert!(daemon.folder().join("control.sock").exists());
    let coordinator = daemon.coordinator.clone();
    coordinator.begin(Cause::Signal(15));
    let summary = daemon.ended();
    assert_eq!(coordinator.phase(), ShutdownPhase::Shutdown);
    assert_eq!(summary.exit_status, Exit::TimedOut.status());
    for part in &summary.parts {
        let expected = if part.name.starts_with("hung") {
            PartOutcome::TimedOut
        } else {
            PartOutcome::Done
        };
        assert_eq!(part.outcome, expected, "{part:?}");
    }
    let hung = summary
        .parts
        .iter()
        .filter(|it| it.name.starts_with("hung"));
    assert_eq!(hung.count(), 3);
    assert!(summary.threads.iter().all(|it| it.stopped), "{summary:#?}");
}
