//! The drain thread and the end.

use std::time::{Duration, Instant};

use onair_api::RecordingEnd;
use onair_record::{DrainState, FinishError, RecordError, Recording, Stage};

use super::rig::{Stop, capture, finish, names, number, packet, soon, spec, start};

/// A recording whose drain thread sleeps for an hour unless it is woken.
fn sleeper() -> (tempfile::TempDir, Recording) {
    start(|spec| spec.sleep = Some(Duration::from_secs(3600)))
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn drain_thread__shutdown_wake__then_immediate_drain() {
    let (folder, mut recording) = sleeper();
    let mut producer = recording.producer("p").unwrap();
    // Asleep, with nothing to do.
    recording.flush(soon()).unwrap();
    for at in 0..1000 {
        assert!(producer.offer(at, 96, &packet(0, at)));
    }
    assert_eq!(finish(&mut recording).totals.written, 1000);
    assert_eq!(
        capture(&folder.path().join("rec.pcapng")).packets.len(),
        1000
    );
}

#[test]
fn drain_thread_asleep_then_woken_by_a_flush_and_not_by_offers() {
    let (_folder, mut recording) = sleeper();
    let mut producer = recording.producer("p").unwrap();
    for round in 1..10 {
        recording.flush(soon()).unwrap();
        assert!(producer.offer(round, 96, &packet(0, round)));
        // A producer does not wake the drain thread.
        assert_eq!(recording.status().totals.pending, 1);
        assert_eq!(recording.flush(soon()).unwrap().written, round);
    }
    assert!(producer.offer(10, 96, &packet(0, 10)));
    recording.stop_accepting();
    assert!(!producer.offer(11, 96, &packet(0, 11)));
    assert_eq!(finish(&mut recording).totals.written, 10);
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn drain_thread__final_drain__then_all_data_written() {
    let (folder, mut recording) = start(|_| {});
    let stop = Stop::new();
    let offered: Vec<_> = std::thread::scope(|scope| {
        let guard = stop.guard();
        let threads: Vec<_> = (0..8u32)
            .map(|name| {
                let mut producer = recording.producer(&format!("p{name}")).unwrap();
                let stop = &stop;
                scope.spawn(move || {
                    let (mut accepted, mut refused) = (Vec::new(), 0);
                    for at in 0.. {
                        if producer.offer(at, 96, &packet(name, at)) {
                            accepted.push(at);
                        } else {
                            refused += 1;
                        }
                        if stop.is_set() && !producer.is_accepting() {
                            return (accepted, refused, at + 1);
                        }
                    }
                    unreachable!()
                })
            })
            .collect();
        while recording.status().totals.accepted < 100_000 {
            std::thread::yield_now();
        }
        // The cut comes during their work; they continue for a while.
        recording.stop_accepting();
        let manifest = finish(&mut recording);
        assert_eq!(manifest.totals.lost.total(), 0);
        drop(guard);
        threads.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let capture = capture(&folder.path().join("rec.pcapng"));
    for (name, (accepted, refused, arrived)) in (0u32..).zip(offered) {
        let own = capture
            .packets
            .iter()
            .filter(|it| number(&it.bytes).0 == name);
        let numbers: Vec<_> = own.map(|it| number(&it.bytes).1).collect();
        assert_eq!(numbers, accepted, "each that was accepted, once, in order");
        assert_eq!(accepted.len() as u64 + refused, arrived);
    }
}

/// The rings hold all of it when the end begins, so that it goes to the files past the page cache,
/// where the file system has that.
#[test]
fn drain_thread_final_drain_of_many_blocks_then_each_event_once() {
    for (place, split_size) in [
        (std::env::temp_dir(), None),
        ("/dev/shm".into(), Some(3 << 20)),
    ] {
        let folder = tempfile::tempdir_in(place).unwrap();
        let mut spec = spec(folder.path());
        spec.sleep = Some(Duration::from_secs(3600));
        (spec.ring_bytes, spec.split_size) = (8 << 20, split_size);
        let mut recording = Recording::start(spec).unwrap();
        let mut producers = [
            recording.producer("a").unwrap(),
            recording.producer("b").unwrap(),
        ];
        let mut offered = [0u64; 2];
        for is_full in [false, true] {
            for (name, producer) in (0u32..).zip(&mut producers) {
                let next = &mut offered[name as usize];
                while producer.offer(*next, 96, &packet(name, *next)) {
                    *next += 1;
                    if !is_full && *next == 100 {
                        break;
                    }
                }
            }
            if !is_full {
                // Leaves the file at an odd place, and the drain thread asleep.
                recording.flush(soon()).unwrap();
            }
        }
        let manifest = finish(&mut recording);
        assert!(manifest.bytes() > 16 << 20, "{}", manifest.bytes());
        let mut next = [0u64; 2];
        for file in &manifest.files {
            for packet in capture(&folder.path().join(&file.name)).packets {
                let (name, number) = number(&packet.bytes);
                assert_eq!(number, next[name as usize]);
                next[name as usize] += 1;
            }
        }
        assert_eq!(next, offered);
    }
}

#[test]
fn timer_expires_after_the_cut_then_ignored() {
    const DURATION: Duration = Duration::from_secs(1);
    let (_folder, recording) = loop {
        let begun = Instant::now();
        let started = start(|spec| spec.duration = Some(DURATION));
        started.1.stop_accepting();
        // If the machine stood still meanwhile, it may have been the first.
        if begun.elapsed() < DURATION {
            break started;
        }
    };
    std::thread::sleep(DURATION + Duration::from_millis(200));
    let manifest = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    assert_eq!(manifest.cause, Some(RecordingEnd::Shutdown));
}

#[test]
#[expect(non_snake_case, reason = "the name that the requirements give")]
fn drain_thread__shutdown__then_files_complete() {
    let (folder, mut recording) = start(|spec| spec.id = "r1".into());
    let mut producer = recording.producer("cam rx").unwrap();
    for at in 0..5000 {
        producer.offer(1_700_000_000_000_000_000 + at, 1400, &packet(3, at));
    }
    assert_eq!(names(folder.path()), ["rec.json.part", "rec.pcapng.part"]);
    let manifest = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    assert_eq!(names(folder.path()), ["rec.json", "rec.pcapng"]);
    assert_eq!(
        (manifest.stage, manifest.cause),
        (Stage::Complete, Some(RecordingEnd::Shutdown))
    );
    assert_eq!((manifest.files.len(), manifest.files[0].events), (1, 5000));
    assert!(manifest.problems.is_empty(), "{:?}", manifest.problems);
    let capture = capture(&folder.path().join("rec.pcapng"));
    assert_eq!(capture.packets.len(), 5000);
    let first = &capture.packets[0];
    assert_eq!(
        (first.at_ns, first.wire_len),
        (1_700_000_000_000_000_000, 1400)
    );
    assert_eq!(capture.interfaces[0].name, "cam rx");
    assert_eq!(
        capture.interfaces[0].statistics,
        Some((Some(5000), Some(0), Some(5000)))
    );
    assert!(capture.section[&1].contains("recording rec"));
    // A second call returns the same, and nothing more is accepted.
    assert_eq!(finish(&mut recording), manifest);
    assert!(!producer.offer(0, 1, &[0]));
    assert!(matches!(recording.producer("p"), Err(RecordError::Ended)));
}

#[test]
fn drain_thread_late_at_the_deadline_then_complete_when_asked() {
    let (_folder, mut recording) = start(|_| {});
    let mut producer = recording.producer("p").unwrap();
    for at in 0..1000 {
        producer.offer(at, 96, &packet(0, at));
    }
    let now = Instant::now();
    match recording.finish(RecordingEnd::Stopped, now) {
        Err(FinishError::Late { waited, .. }) => assert!(waited < Duration::from_secs(10)),
        other => panic!("{other:?}"),
    }
    assert_eq!(finish(&mut recording).totals.written, 1000);
}

#[test]
fn drain_thread_duration_or_size_reached_then_one_cause() {
    let folder = tempfile::tempdir().unwrap();
    let mut spec = spec(folder.path());
    spec.duration = Some(Duration::from_millis(1));
    let (states, listener) = std::sync::mpsc::channel();
    let told = move |state, _: Option<&str>| states.send(state).unwrap();
    let mut recording = Recording::start_with(spec, Box::new(told)).unwrap();
    while listener.recv_timeout(Duration::from_secs(30)).unwrap() != DrainState::Ended {}
    // Too late: the first cause counts.
    let manifest = finish(&mut recording);
    assert_eq!(manifest.cause, Some(RecordingEnd::DurationReached));
    assert_eq!(
        recording.status().cause,
        Some(RecordingEnd::DurationReached)
    );

    let (_folder, mut recording) = start(|spec| spec.duration = Some(Duration::from_secs(3600)));
    assert_eq!(finish(&mut recording).cause, Some(RecordingEnd::Stopped));

    let (_folder, mut recording) = start(|spec| spec.size = Some(100_000));
    let mut producer = recording.producer("p").unwrap();
    let (mut at, deadline) = (0, soon());
    while recording.status().state != DrainState::Ended {
        assert!(Instant::now() < deadline);
        producer.offer(at, 96, &packet(0, at));
        at += 1;
    }
    let manifest = finish(&mut recording);
    assert_eq!(manifest.cause, Some(RecordingEnd::SizeReached));
    assert!(manifest.bytes() >= 100_000);
    assert_eq!(manifest.totals.lost.total(), 0);
    // Offers after the manifest was written are counted too.
    let totals = recording.status().totals;
    assert_eq!((totals.arrived, totals.balance()), (at, true));
    assert_eq!(totals.accepted, manifest.totals.accepted);
}

#[test]
fn recording_dropped_then_it_ends_by_itself() {
    let (folder, recording) = start(|_| {});
    let mut producer = recording.producer("p").unwrap();
    assert!(producer.offer(1, 96, &packet(0, 1)));
    drop(recording);
    let deadline = soon();
    while names(folder.path()) != ["rec.json", "rec.pcapng"] {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    assert_eq!(capture(&folder.path().join("rec.pcapng")).packets.len(), 1);
    assert!(!producer.offer(2, 96, &packet(0, 2)));
}
