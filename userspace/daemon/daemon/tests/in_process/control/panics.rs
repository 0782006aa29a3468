//! The control thread of a whole daemon panics: what it had is released, and the process lives on.

use onair_api::ShutdownPhase;
use onair_stage::in_own_process;
use onaird::shutdown::Exit;

use crate::in_process::InProcess;

#[test]
fn daemon_its_control_thread_panics_then_it_ends_and_names_it() {
    in_own_process!();
    let daemon = InProcess::start("[probe]\nmode = \"off\"\n", |_| ());
    let pid = std::process::id();
    daemon.until("/v1/health", |it| it["pid"] == pid);
    daemon
        .started
        .on_the_control_thread(|_| panic!("on purpose"));
    let coordinator = daemon.coordinator.clone();
    let summary = daemon.ended();
    assert_eq!(coordinator.phase(), ShutdownPhase::Shutdown);
    assert_eq!(summary.cause, "the control thread has ended: on purpose");
    assert_eq!(summary.exit_status, Exit::Failed.status());
    let control = summary.threads.iter().find(|it| it.name == "control");
    assert_eq!(control.unwrap().panic.as_deref(), Some("on purpose"));
    assert!(summary.threads.iter().all(|it| it.stopped), "{summary:#?}");
}
