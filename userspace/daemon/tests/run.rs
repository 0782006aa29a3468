//! A whole daemon in this process: it starts, it is told to end, parts of it hang, and the process
//! lives on.
//!
//! DPDK is initialised once in a process, so this is one test. It needs neither hugepages nor an
//! interface nor the probe.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(
    non_snake_case,
    reason = "tests are named subject__action__then_result"
)]

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use onair_api::{PartOutcome, ShutdownPhase};
use onaird::config::Config;
use onaird::run::run;
use onaird::shutdown::{self, Cause, Exit, ShutdownCoordinator, Waiting};

const PATIENCE: Duration = Duration::from_secs(120);

fn hang(_: &Waiting) -> Result<(), String> {
    loop {
        thread::park();
    }
}

#[test]
fn daemon__in_process_with_a_part_that_hangs_in_each_phase__then_each_is_left_behind_and_named() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path().display();
    let file = folder.path().join("onaird.toml");
    let text = format!(
        "[control]\nsocket = \"{at}/control.sock\"\n\
         [attach]\nsocket = \"{at}/attach.sock\"\n\
         [state]\ndir = \"{at}/state\"\n\
         [dpdk]\nhugepages = \"never\"\nmemory_mb = 64\n\
         [probe]\nmode = \"off\"\n\
         [shutdown]\nhandler_ms = 3000\n\
         [[poller]]\nname = \"p0\"\ncore = 0\n\
         [[port]]\nname = \"a\"\ndevice = \"ring:in-process:a\"\naddress = \"10.9.2.1/24\"\n\
         poller = \"p0\"\n"
    );
    std::fs::write(&file, text).unwrap();
    let config = Config::load(&file).unwrap();
    let coordinator = ShutdownCoordinator::new(config.shutdown.clone()).unwrap();
    coordinator.register_shutdown_waiter("hung waiter", 60, Duration::from_millis(50), hang);
    coordinator.register_server_shutdown("hung server", hang);
    coordinator.register_cleanup("hung cleanup", 45, hang);
    let (tell, ready) = channel();
    let daemon = {
        let coordinator = coordinator.clone();
        thread::spawn(move || run(config, &coordinator, || tell.send(()).unwrap()))
    };
    ready.recv_timeout(PATIENCE).unwrap();
    assert!(folder.path().join("control.sock").exists());
    coordinator.begin(Cause::Signal(15));
    let summary = shutdown::summary(daemon.join().unwrap().unwrap());
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
    assert!(!folder.path().join("control.sock").exists());
    assert!(!folder.path().join("attach.sock").exists());
}
