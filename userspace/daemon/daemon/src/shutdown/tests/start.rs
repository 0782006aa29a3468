//! A start that hangs, fails, or is unfinished when the shutdown begins.

use super::*;

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
