//! Parts, names, and invalid specifications.

use std::fs;
use std::time::Duration;

use onair_api::RecordingEnd;
use onair_record::{RecordError, Recording};

use super::rig::{capture, finish, names, number, packet, soon, spec, start};

#[test]
fn split_by_size_or_duration_then_each_event_in_one_part() {
    for by_size in [true, false] {
        let (folder, mut recording) = start(|spec| match by_size {
            true => spec.split_size = Some(70_000),
            false => spec.split_duration = Some(Duration::from_nanos(1_000_000)),
        });
        let mut producers: Vec<_> = (0..3)
            .map(|it| recording.producer(&format!("p{it}")).unwrap())
            .collect();
        for at in 0..4000 {
            for (name, producer) in (0u32..).zip(&mut producers) {
                assert!(producer.offer(at * 1000, 96, &packet(name, at)));
            }
            if at % 500 == 0 {
                recording.flush(soon()).unwrap();
            }
        }
        let manifest = finish(&mut recording);
        assert!(manifest.files.len() >= 4, "{}", manifest.files.len());
        let mut next = [0u64; 3];
        for (place, file) in manifest.files.iter().enumerate() {
            assert_eq!(file.name, format!("rec.{:04}.pcapng", place + 1));
            let capture = capture(&folder.path().join(&file.name));
            assert_eq!(capture.packets.len() as u64, file.events);
            assert_eq!(file.by_producer.iter().sum::<u64>(), file.events);
            if by_size {
                assert!(file.bytes <= 70_000, "{} bytes", file.bytes);
            } else {
                let times: Vec<_> = capture.packets.iter().map(|it| it.at_ns).collect();
                assert!(times.iter().all(|at| *at < times[0] + 1_000_000));
            }
            for packet in &capture.packets {
                // The parts join without a gap, in order.
                let (producer, number) = number(&packet.bytes);
                let place = &mut next[usize::try_from(producer).unwrap()];
                assert_eq!(number, *place);
                assert_eq!(
                    capture.interfaces[packet.interface].name,
                    format!("p{producer}")
                );
                *place += 1;
            }
        }
        assert_eq!(next, [4000; 3]);
    }
}

#[test]
fn start_name_that_is_there_then_refused_and_nothing_is_touched() {
    let folder = tempfile::tempdir().unwrap();
    for taken in ["rec.json", "rec.json.part", "rec.pcapng", "rec.pcapng.part"] {
        let path = folder.path().join(taken);
        fs::write(&path, b"mine").unwrap();
        match Recording::start(spec(folder.path())) {
            Err(RecordError::Exists(named)) => assert!(named.starts_with(folder.path())),
            other => panic!("{taken}: {other:?}"),
        }
        assert_eq!(names(folder.path()), [taken]);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        fs::remove_file(&path).unwrap();
    }
    let mut first = Recording::start(spec(folder.path())).unwrap();
    assert!(matches!(
        Recording::start(spec(folder.path())),
        Err(RecordError::Exists(_))
    ));
    finish(&mut first);
    assert!(matches!(
        Recording::start(spec(folder.path())),
        Err(RecordError::Exists(_))
    ));
}

#[test]
fn start_in_a_folder_that_cannot_be_or_is_full_then_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), b"").unwrap();
    let error = Recording::start(spec(&folder.path().join("file/below"))).unwrap_err();
    assert!(error.to_string().contains("file/below"), "{error}");
    let mut greedy = spec(folder.path());
    greedy.min_free_bytes = u64::MAX / 2;
    assert!(matches!(
        Recording::start(greedy),
        Err(RecordError::Full { .. })
    ));
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn producers_come_and_go_then_each_has_interface_and_totals() {
    let (folder, mut recording) = start(|_| {});
    for name in 0..20u32 {
        let mut producer = recording.producer(&format!("p{name}")).unwrap();
        for at in 0..u64::from(name) {
            assert!(producer.offer(at, 96, &packet(name, at)));
        }
        // Drop with its events in the ring.
    }
    let manifest = finish(&mut recording);
    let capture = capture(&folder.path().join("rec.pcapng"));
    assert_eq!(
        (manifest.producers.len(), capture.interfaces.len()),
        (20, 20)
    );
    for name in 0..20 {
        let own = &manifest.producers[usize::try_from(name).unwrap()];
        assert_eq!(
            (own.name.as_str(), own.counts.written),
            (format!("p{name}").as_str(), name)
        );
        let interface = capture
            .interfaces
            .iter()
            .find(|it| it.name == own.name)
            .unwrap();
        assert_eq!(
            interface.statistics,
            Some((Some(name), Some(0), Some(name)))
        );
    }
}

#[test]
fn finish_under_a_taken_name_then_nothing_is_overwritten() {
    let (folder, recording) = start(|_| {});
    let mut producer = recording.producer("p").unwrap();
    assert!(producer.offer(1, 96, &packet(0, 1)));
    fs::write(folder.path().join("rec.pcapng"), b"mine").unwrap();
    let manifest = recording.finish(RecordingEnd::Stopped, soon()).unwrap();
    assert_eq!(fs::read(folder.path().join("rec.pcapng")).unwrap(), b"mine");
    assert!(
        manifest.problems[0].contains("rec.pcapng"),
        "{:?}",
        manifest.problems
    );
    assert_eq!(manifest.files[0].name, "rec.pcapng.part");
    assert_eq!(
        capture(&folder.path().join("rec.pcapng.part"))
            .packets
            .len(),
        1
    );
}
