//! Workers that empty their buffers on request.

use super::*;

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_mgr__flush_request__then_buffers_empty() {
    let registry = ThreadRegistry::default();
    let worker = Worker::start(&registry, "worker");
    let stands = worker.taken.lock().unwrap();
    (0..1000).for_each(|number| worker.queue.push(number).unwrap());
    // The request comes while the buffer is full; then the worker continues.
    let go_on = || {
        assert!(!worker.queue.is_empty());
        drop(stands);
        worker.thread.thread().unpark();
    };
    let flushed = registry.flush_all(PATIENCE, go_on).unwrap();
    assert!(worker.queue.is_empty());
    let expected = FlushedWorker {
        processed: 1000,
        remaining: 0,
    };
    assert_eq!(flushed, [expected]);
    assert_eq!(*worker.taken.lock().unwrap(), (0..1000).collect::<Vec<_>>());
    registry.stop_accepting();
    worker.thread.join().unwrap();
}

#[test]
fn flush_worker_that_cannot_then_late_by_name() {
    let registry = ThreadRegistry::default();
    let mut stuck = registry.register("stuck");
    let state = registry.threads().remove(0);
    assert!(!stuck.is_flush_wanted());
    let number = state.request_flush();
    assert!(stuck.is_flush_wanted());
    stuck.flush_progress(7);
    let late = state.wait_flushed(number, Instant::now() + SHORT);
    assert_eq!(late.unwrap_err(), Late(vec!["stuck".to_owned()]));
    stuck.flush_progress(0);
    assert!(!stuck.is_flush_wanted());
    assert!(state.wait_flushed(number, Instant::now()).is_ok());
    let again = state.request_flush();
    drop(stuck);
    // The worker ended with a full buffer: that is no flush, and the caller does not wait for the
    // time-out.
    assert!(
        state
            .wait_flushed(again, Instant::now() + PATIENCE)
            .is_err()
    );
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn multi_thread__flush__then_all_complete() {
    let registry = ThreadRegistry::default();
    let workers: Vec<_> = (0..16)
        .map(|number| Worker::start(&registry, &format!("worker-{number}")))
        .collect();
    let stand: Vec<_> = workers.iter().map(|it| it.taken.lock().unwrap()).collect();
    for worker in &workers {
        (0..500).for_each(|number| worker.queue.push(number).unwrap());
    }
    let go_on = || {
        drop(stand);
        workers.iter().for_each(|it| it.thread.thread().unpark());
    };
    let flushed = registry.flush_all(PATIENCE, go_on).unwrap();
    assert_eq!(flushed.len(), 16);
    assert!(
        flushed
            .iter()
            .all(|it| it.processed == 500 && it.remaining == 0)
    );
    assert!(workers.iter().all(|it| it.queue.is_empty()));
    registry.stop_accepting();
    workers.into_iter().for_each(|it| it.thread.join().unwrap());
}
