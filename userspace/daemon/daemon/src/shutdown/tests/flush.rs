//! Workers that empty their buffers on request.

use super::*;

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown_mgr__flush_request__then_buffers_empty() {
    let registry = ThreadRegistry::default();
    let writer = Writer::start(&registry, "writer");
    let stands = writer.taken.lock().unwrap();
    writer.hand_in(0..1000);
    // The request comes while the jobs wait; then the writer continues.
    let go_on = || {
        assert!(stands.is_empty());
        drop(stands);
        writer.hand_in(1000..1001);
    };
    let names = ["writer"].into_iter();
    let flushed = registry.flush(names, TIMEOUT, go_on).unwrap();
    assert_eq!(writer.taken(), 1001);
    let expected = FlushedWorker {
        processed: 1001,
        remaining: 0,
    };
    assert_eq!(flushed, [expected]);
    assert!(writer.close().into_iter().eq(0..=1000));
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
    assert!(state.wait_flushed(again, Instant::now() + TIMEOUT).is_err());
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn multi_thread__flush__then_all_complete() {
    let registry = ThreadRegistry::default();
    let names: Vec<_> = (0..16).map(|it| format!("writer-{it}")).collect();
    let writers: Vec<_> = names
        .iter()
        .map(|name| Writer::start(&registry, name))
        .collect();
    let stand: Vec<_> = writers.iter().map(|it| it.taken.lock().unwrap()).collect();
    writers.iter().for_each(|it| it.hand_in(0..500));
    let go_on = || {
        assert!(stand.iter().all(|it| it.is_empty()));
        drop(stand);
        writers.iter().for_each(|it| it.hand_in(500..501));
    };
    let names = names.iter().map(String::as_str);
    let flushed = registry.flush(names, TIMEOUT, go_on).unwrap();
    assert_eq!(flushed.len(), 16);
    let is_empty = |it: &FlushedWorker| it.processed == 501 && it.remaining == 0;
    assert!(flushed.iter().all(is_empty), "{flushed:?}");
    assert!(writers.iter().all(|it| it.taken() == 501));
    for writer in writers {
        assert!(writer.close().into_iter().eq(0..=500));
    }
}
