//! A whole daemon in this process: it starts, it is told to end, parts of it hang, and the process
//! lives on. It needs no probe.

use std::thread;
use std::time::Duration;

use onair::Client;
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

/// The next canary comes after a minute, and the client waits for half of one.
#[test]
fn session_restored_then_attached_before_the_next_canary() {
    in_own_process!();
    let more = "[timeouts]\npatrol_ms = 60000\n[probe]\nmode = \"required\"\n\
         [[session]]\nname = \"cam\"\ndirection = \"receive\"\nport = \"a\"\n\
         video = { width = 64, height = 32, frame_rate = \"60/1\", depth = 8 }\n\
         flow = { destination = \"10.9.2.1:5004\" }\n";
    let daemon = InProcess::start(more, |_| ());
    let client = Client::at(daemon.folder().join("attach.sock"));
    let session = client.attach("cam").unwrap();
    assert!(session.is_watched());
    session.detach().unwrap();
    daemon.coordinator.begin(Cause::Signal(15));
    daemon.ended();
}
