//! The coordinator with real threads: begun, notified, hung, failing, forced.

use super::*;

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_mgr__create__then_initialized() {
    let coordinator = coordinator();
    assert_eq!(coordinator.phase(), ShutdownPhase::Running);
    assert!(!coordinator.is_shutting_down() && !coordinator.is_forced());
    assert!(!coordinator.token().is_cancelled());
    assert_eq!(coordinator.operations(), 0);
    assert!(coordinator.status().cause.is_none() && coordinator.status().phases.is_empty());
    assert!(coordinator.begin_operation().is_ok());
    assert!(!coordinator.force(), "nothing to force yet");
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_mgr__trigger__then_flag_set_atomic() {
    let coordinator = coordinator();
    let barrier = Arc::new(Barrier::new(8));
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let (coordinator, barrier) = (coordinator.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                barrier.wait();
                let first = coordinator.begin(Cause::Signal(number));
                // Whichever was first: from here on every thread sees it.
                assert!(coordinator.is_shutting_down());
                first.then_some(number)
            })
        })
        .collect();
    let first: Vec<_> = threads
        .into_iter()
        .filter_map(|thread| thread.join().unwrap())
        .collect();
    assert_eq!(first.len(), 1, "one of eight begins it");
    assert_eq!(coordinator.run().cause, Cause::Signal(first[0]));
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_mgr__wakeup__then_fd_readable() {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    let coordinator = coordinator();
    let readable = |coordinator: &ShutdownCoordinator| {
        let mut fds = [PollFd::new(coordinator, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())).unwrap() == 1
    };
    assert!(!readable(&coordinator));
    coordinator.begin(Cause::Signal(15));
    assert!(readable(&coordinator));
    assert!(readable(&coordinator), "and it stays so");
    assert!(coordinator.token().is_cancelled());
}

#[test]
fn shutdown_mgr_sequence_then_phases_in_order_and_all_told() {
    let coordinator = coordinator();
    let log = Arc::new(Mutex::new(Vec::new()));
    let note = |text: &'static str| {
        let log = Arc::clone(&log);
        move || log.lock().unwrap().push(text)
    };
    let (late, early) = (note("waiter 9"), note("waiter 1"));
    coordinator.register_cleanup("cleanup", 0, {
        let note = note("cleanup");
        move |_| {
            note();
            Ok(())
        }
    });
    coordinator.register_server_shutdown("server", {
        let note = note("server");
        move |_| {
            note();
            Ok(())
        }
    });
    coordinator.register_shutdown_waiter("late", 9, TIMEOUT, move |_| {
        late();
        Ok(())
    });
    coordinator.register_shutdown_waiter("early", 1, TIMEOUT, move |_| {
        early();
        Ok(())
    });
    coordinator.register_shutdown_notification("first", note("told 1"));
    coordinator.register_shutdown_notification("second", note("told 2"));
    let report = ended(&coordinator);
    assert_eq!(
        *log.lock().unwrap(),
        [
            "told 1", "told 2", "waiter 1", "waiter 9", "server", "cleanup"
        ]
    );
    let phases: Vec<_> = report.status.phases.iter().map(|it| it.phase).collect();
    assert_eq!(phases, ShutdownPhase::ALL[1..]);
    let timed = &report.status.phases[..3];
    assert!(timed.iter().all(|it| it.us.is_some()), "{timed:?}");
    assert_eq!(report.troubled().count(), 0);
    assert!(!coordinator.begin(Cause::Signal(2)), "it happens once");
}

#[test]
fn shutdown_mgr_waiters_of_one_priority_then_side_by_side() {
    let coordinator = coordinator();
    let barrier = Arc::new(Barrier::new(2));
    for name in ["one", "other"] {
        let barrier = Arc::clone(&barrier);
        coordinator.register_shutdown_waiter(name, 50, TIMEOUT, move |_| {
            // One thread alone would block here.
            barrier.wait();
            Ok(())
        });
    }
    assert_eq!(ended(&coordinator).troubled().count(), 0);
}

fn hang(_: &Waiting) -> Result<(), PartError> {
    loop {
        thread::park();
    }
}

#[test]
fn shutdown_mgr_configured_anew_then_taken_until_the_shutdown() {
    const AN_HOUR_MS: u64 = 3_600_000;
    let coordinator = with(|config| config.cleanup_ms = AN_HOUR_MS);
    coordinator.register_cleanup("hung", 50, hang);
    let short = ShutdownConfig {
        cleanup_ms: 20,
        ..coordinator.config()
    };
    assert!(coordinator.configure(short, SHORT));
    let report = ended(&coordinator);
    assert_eq!(names(&report, PartOutcome::TimedOut), ["hung"]);
    assert!(!coordinator.configure(ShutdownConfig::default(), TIMEOUT));
    assert_eq!(
        (coordinator.config(), coordinator.graceful()),
        (short, SHORT)
    );
}

#[test]
fn shutdown_mgr_part_hangs_then_left_behind_on_its_thread() {
    let coordinator = coordinator();
    coordinator.register_shutdown_waiter("hung", 50, SHORT, hang);
    coordinator.register_cleanup("the next one", 60, |_| Ok(()));
    let report = ended(&coordinator);
    assert_eq!(names(&report, PartOutcome::TimedOut), ["hung"]);
    assert!(names(&report, PartOutcome::Done).contains(&"the next one"));
    assert!(report.timed_out());
}

#[test]
fn shutdown_mgr_parts_panic_or_fail_then_named_and_rest_ends() {
    let coordinator = coordinator();
    coordinator.register_shutdown_notification("told", || panic!("of no use"));
    coordinator.register_shutdown_waiter("waiter", 0, TIMEOUT, |_| panic!("neither"));
    coordinator.register_cleanup("cleanup", 0, |_| Err("no such file".into()));
    coordinator.register_cleanup("last", 1, |_| Ok(()));
    let report = ended(&coordinator);
    assert_eq!(names(&report, PartOutcome::Panicked), ["told", "waiter"]);
    assert_eq!(names(&report, PartOutcome::Failed), ["cleanup"]);
    assert!(names(&report, PartOutcome::Done).contains(&"last"));
    let said: Vec<_> = report.troubled().map(|it| it.detail.as_deref()).collect();
    assert_eq!(
        said,
        [Some("of no use"), Some("neither"), Some("no such file")]
    );
}

/// Forces `coordinator` as soon as it waits for the waiter that signals `has_begun`.
fn forced(coordinator: &ShutdownCoordinator, has_begun: &std::sync::mpsc::Receiver<()>) -> Report {
    coordinator.begin(Cause::Signal(15));
    let runs = {
        let coordinator = coordinator.clone();
        thread::spawn(move || coordinator.run())
    };
    has_begun.recv_timeout(TIMEOUT).unwrap();
    assert!(coordinator.acknowledged().is_some());
    assert!(coordinator.force() && !coordinator.force(), "once");
    runs.join().unwrap()
}

#[test]
fn shutdown_mgr_forced_then_no_part_is_waited_for_any_longer() {
    let coordinator = with(|config| config.force_ms = 20);
    let (begun, has_begun) = std::sync::mpsc::channel();
    coordinator.register_shutdown_waiter("deaf", 50, TIMEOUT, move |_| {
        begun.send(()).unwrap();
        loop {
            thread::park();
        }
    });
    let report = forced(&coordinator, &has_begun);
    assert_eq!(names(&report, PartOutcome::Forced), ["deaf"]);
    assert!(report.status.forced && !report.timed_out());
}

#[test]
fn shutdown_mgr_forced_then_parts_that_comply_end_in_order() {
    // However busy the machine is.
    let coordinator = with(|config| config.force_ms = 30_000);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let token = coordinator.forced_token();
    coordinator.register_shutdown_waiter("obedient", 50, 10 * TIMEOUT, move |waiting| {
        begun.send(()).unwrap();
        while !token.is_cancelled() {
            thread::park_timeout(Duration::from_millis(1));
        }
        assert!(waiting.is_forced());
        Ok(())
    });
    let report = forced(&coordinator, &has_begun);
    assert!(names(&report, PartOutcome::Done).contains(&"obedient"));
    assert!(report.status.forced);
    assert_eq!(report.troubled().count(), 0);
}

#[test]
fn progress_told_then_listeners_hear_phases_and_users() {
    let coordinator = coordinator();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let own = Arc::clone(&heard);
    coordinator.on_progress(move |status| {
        own.lock().unwrap().push((status.phase, status.users));
    });
    coordinator.on_progress(|_| panic!("a listener's own affair"));
    let teller = coordinator.clone();
    coordinator.register_shutdown_waiter("sessions", 50, TIMEOUT, move |_| {
        for users in [12, 3, 3, 0] {
            teller.set_progress(1, users);
        }
        Ok(())
    });
    ended(&coordinator);
    use ShutdownPhase::{Cleanup, Draining, Shutdown, StopAccepting};
    assert_eq!(
        *heard.lock().unwrap(),
        [
            (StopAccepting, 0),
            (Draining, 0),
            (Draining, 12),
            (Draining, 3),
            (Draining, 0),
            (Cleanup, 0),
            (Shutdown, 0)
        ]
    );
}

/// Begins a start that waits for the returned sender, on its own coordinator.
fn hung() -> (
    ShutdownCoordinator,
    std::sync::mpsc::Sender<u32>,
    thread::JoinHandle<Option<u32>>,
) {
    let coordinator = with(|config| config.debounce_ms = 0);
    let (go_on, wait) = std::sync::mpsc::channel();
    let own = coordinator.clone();
    let start = thread::spawn(move || own.run_start(move || wait.recv().unwrap()).unwrap());
    (coordinator, go_on, start)
}

fn acknowledged(coordinator: &ShutdownCoordinator) {
    let deadline = Instant::now() + TIMEOUT;
    while coordinator.acknowledged().is_none() {
        assert!(Instant::now() < deadline, "not acknowledged");
        thread::yield_now();
    }
}

#[test]
fn start_hangs_and_a_second_signal_comes_then_its_parts_end() {
    let (coordinator, go_on, start) = hung();
    let (sender, receiver) = std::sync::mpsc::channel();
    coordinator.register_cleanup("registered", 0, move |_| {
        sender.send(()).unwrap();
        Ok(())
    });
    coordinator.begin(Cause::Signal(15));
    acknowledged(&coordinator);
    assert!(!start.is_finished(), "one signal does not end it");
    assert!(coordinator.force());
    assert_eq!(start.join().unwrap(), None);
    let report = coordinator.run();
    receiver.try_recv().unwrap();
    assert!(report.status.forced);
    assert_eq!(report.troubled().count(), 0);
    drop(go_on);
}

#[test]
fn start_over_after_the_first_signal_then_its_result() {
    let (coordinator, go_on, start) = hung();
    coordinator.begin(Cause::Signal(15));
    acknowledged(&coordinator);
    go_on.send(7).unwrap();
    assert_eq!(start.join().unwrap(), Some(7));
    assert!(!coordinator.run().status.forced);
}

#[test]
fn start_panics_then_the_caller_does() {
    let coordinator = coordinator();
    let caller = thread::spawn(move || coordinator.run_start(|| -> u32 { panic!("on purpose") }));
    let panic = caller.join().unwrap_err();
    assert_eq!(onair_workers::panic_text::of(&*panic), "on purpose");
}
