//! A recording that goes on with the next daemon: the same counts, a next file, and what is missing in between.

use std::fs;
use std::path::Path;

use onair_api::{RecordingEnd, RecordingFormat, RecordingSpec, Via, Who};
use onair_record::{
    Manifest, Recording, Repaired, Request, Seam, Spec, Stage, conclude, last_events, repair,
};

use super::rig::{capture, finish, names, number, packet, soon, spec};

/// Counts by the packets' own numbers.
#[derive(Debug)]
struct Numbers {
    last: u64,
    missed: Option<u64>,
}

impl Seam for Numbers {
    fn event(&mut self, _: u64, bytes: &[u8]) -> bool {
        self.missed = Some(number(bytes).1 - self.last - 1);
        false
    }

    fn missed(&self) -> Option<u64> {
        self.missed
    }
}

fn after(last: u64) -> Box<Numbers> {
    Box::new(Numbers { last, missed: None })
}

fn request() -> Request {
    Request {
        spec: RecordingSpec::new(RecordingFormat::Pcapng),
        starter: Who {
            uid: 7,
            gid: 7,
            pid: 9,
            command: "t".to_owned(),
            via: Via::Control,
        },
        owner: 7,
    }
}

fn kept(folder: &Path) -> Spec {
    let mut spec = spec(folder);
    spec.request = Some(request());
    spec
}

/// Offers these packets to a new producer, and waits until they are in a file.
fn offer(recording: &Recording, numbers: std::ops::Range<u64>) {
    let mut producer = recording.producer("a").unwrap();
    for at in numbers {
        assert!(producer.offer(1_000 + at, 96, &packet(0, at)));
    }
    recording.flush(soon()).unwrap();
}

/// What a kill leaves now, in a folder of its own, repaired.
fn killed(recording: &Recording) -> (tempfile::TempDir, Manifest) {
    let folder = tempfile::tempdir().unwrap();
    for name in names(&recording.spec().folder) {
        let from = recording.spec().folder.join(&name);
        fs::copy(from, folder.path().join(name)).unwrap();
    }
    let mut found = repair(folder.path()).unwrap();
    let Some(Repaired::Repaired(manifest)) = found.pop() else {
        panic!("{found:?}");
    };
    (folder, *manifest)
}

fn read(folder: &Path) -> Manifest {
    serde_json::from_slice(&fs::read(folder.join("rec.json")).unwrap()).unwrap()
}

/// The numbers in all files, in their order.
fn numbers(folder: &Path, manifest: &Manifest) -> Vec<u64> {
    let files = manifest.files.iter().map(|it| folder.join(&it.name));
    let packets = files.flat_map(|it| capture(&it).packets);
    packets.map(|it| number(&it.bytes).1).collect()
}

#[test]
fn recording_killed_twice_then_goes_on_with_all_counts() {
    let first = tempfile::tempdir().unwrap();
    let recording = Recording::start(kept(first.path())).unwrap();
    offer(&recording, 0..300);
    let (second, manifest) = killed(&recording);
    assert_eq!(manifest.request, Some(request()));
    let began = manifest.started_at;

    let recording = Recording::go_on(kept(second.path()), manifest, after(299)).unwrap();
    let status = recording.status();
    assert_eq!((status.totals.written, status.files.len()), (300, 1));
    assert_eq!(names(second.path()), ["rec.json.part", "rec.pcapng"]);
    let until = soon();
    offer(&recording, 310..400);
    // It is written as soon as it is known.
    let manifest = second.path().join("rec.json.part");
    while !fs::read_to_string(&manifest).is_ok_and(|it| it.contains("\"missed\": 10")) {
        assert!(
            std::time::Instant::now() < until,
            "the manifest does not say it"
        );
        std::thread::yield_now();
    }
    assert_eq!(recording.status().totals.written, 390);
    let (third, manifest) = killed(&recording);
    assert_eq!(
        (manifest.stage, manifest.totals.written),
        (Stage::Repaired, 390)
    );

    let mut recording = Recording::go_on(kept(third.path()), manifest, after(399)).unwrap();
    offer(&recording, 405..410);
    let manifest = finish(&mut recording);
    assert_eq!(manifest.started_at, began);
    assert_eq!(manifest.request, None, "a stop is its end");
    assert_eq!(
        (manifest.totals.arrived, manifest.totals.written),
        (395, 395)
    );
    assert_eq!((manifest.producers.len(), manifest.files.len()), (1, 3));
    let restarts = manifest.restarts.iter();
    let restarts: Vec<_> = restarts
        .map(|it| (it.cause, it.missed, it.after, it.before))
        .collect();
    let time = |at: u64| Some(onair_record::Time::from_unix_ns(1_000 + at));
    let killed = RecordingEnd::Killed;
    assert_eq!(
        restarts,
        [
            (killed, Some(10), time(299), time(310)),
            (killed, Some(5), time(399), time(405)),
        ]
    );
    let all = (0..300).chain(310..400).chain(405..410);
    assert!(numbers(third.path(), &manifest).into_iter().eq(all));
}

#[test]
fn recording_shut_down_then_goes_on_and_once_concluded_never() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let recording = Recording::start(kept(path)).unwrap();
    offer(&recording, 0..10);
    recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    let recording = Recording::go_on(kept(path), read(path), after(9)).unwrap();
    offer(&recording, 10..20);
    let ended = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    assert_eq!(ended.request, Some(request()));
    assert_eq!(ended.restarts[0].cause, RecordingEnd::Shutdown);
    assert_eq!(ended.restarts[0].missed, Some(0));
    assert!(numbers(path, &ended).into_iter().eq(0..20));

    let over = conclude(path, ended, RecordingEnd::SessionEnded).unwrap();
    assert_eq!((&over, over.request.is_none()), (&read(path), true));
    assert_eq!(over.cause, Some(RecordingEnd::SessionEnded));
    assert_eq!(names(path), ["rec.0002.pcapng", "rec.json", "rec.pcapng"]);
}

#[test]
fn recording_opened_again_and_killed_at_once_then_as_before() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let recording = Recording::start(kept(path)).unwrap();
    offer(&recording, 0..10);
    let ended = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    let before = fs::read(path.join("rec.json")).unwrap();
    let recording = Recording::go_on(kept(path), ended.clone(), after(9)).unwrap();
    // Killed before the first packet.
    let (copy, repaired) = killed(&recording);
    assert_eq!(repaired.totals, ended.totals);
    assert_eq!(
        (repaired.files, repaired.request),
        (ended.files, ended.request)
    );
    // Killed between the new manifest and the removal of the old one.
    let running = fs::read(path.join("rec.json.part")).unwrap();
    drop(copy);
    let copy = tempfile::tempdir().unwrap();
    fs::write(copy.path().join("rec.json.part"), running).unwrap();
    fs::write(copy.path().join("rec.json"), &before).unwrap();
    assert_eq!(repair(copy.path()).unwrap(), []);
    assert_eq!(names(copy.path()), ["rec.json"]);
    assert_eq!(fs::read(copy.path().join("rec.json")).unwrap(), before);
}

#[test]
fn recording_goes_on_then_its_limits_count_from_its_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let recording = Recording::start(kept(path)).unwrap();
    offer(&recording, 0..10);
    let ended = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    let cause_with = |change: &dyn Fn(&mut Spec)| {
        let mut spec = kept(path);
        change(&mut spec);
        let recording = Recording::go_on(spec, read(path), after(9)).unwrap();
        while recording.status().cause.is_none() {
            std::thread::yield_now();
        }
        let ended = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
        // As it was, for the next.
        let mut again = ended.clone();
        again.request = Some(request());
        fs::write(path.join("rec.json"), serde_json::to_vec(&again).unwrap()).unwrap();
        (ended.cause.unwrap(), ended.request)
    };
    let short = std::time::Duration::from_millis(1);
    let reached = cause_with(&|it| it.duration = Some(short));
    assert_eq!(reached, (RecordingEnd::DurationReached, None));
    let bytes = ended.bytes();
    let reached = cause_with(&|it| it.size = Some(bytes));
    assert_eq!(reached, (RecordingEnd::SizeReached, None));
}

#[test]
fn recording_goes_on_without_space_then_degraded_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let recording = Recording::start(kept(path)).unwrap();
    offer(&recording, 0..10);
    let ended = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    let mut full = kept(path);
    full.min_free_bytes = u64::MAX;
    let recording = Recording::go_on(full, ended, after(9)).unwrap();
    let mut producer = recording.producer("a").unwrap();
    producer.offer(1, 96, &packet(0, 10));
    while recording.status().reason.is_none() {
        std::thread::yield_now();
    }
    let ended = recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    assert!(ended.totals.balance(), "{ended:?}");
    assert_eq!((ended.totals.arrived, ended.totals.written), (11, 10));
    assert_eq!(
        ended.request,
        Some(request()),
        "it goes on when there is space"
    );
    assert_eq!(names(path), ["rec.json", "rec.pcapng"]);
}

#[test]
fn recording_goes_on_in_another_thread_then_both_count() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let recording = Recording::start(kept(path)).unwrap();
    offer(&recording, 0..10);
    recording.finish(RecordingEnd::Shutdown, soon()).unwrap();
    let recording = Recording::go_on(kept(path), read(path), after(9)).unwrap();
    let mut producer = recording.producer("b").unwrap();
    assert!(producer.offer(2_000, 96, &packet(0, 10)));
    recording.flush(soon()).unwrap();
    let ended = recording.finish(RecordingEnd::Stopped, soon()).unwrap();
    let producers = ended.producers.iter();
    let producers: Vec<_> = producers.map(|it| (&*it.name, it.counts.written)).collect();
    assert_eq!(producers, [("a", 10), ("b", 1)]);
    let by_producer = ended.files.iter().map(|it| &it.by_producer[..]);
    assert_eq!(by_producer.collect::<Vec<_>>(), [&[10][..], &[0, 1]]);
}

#[test]
fn last_events_of_any_file_then_the_newest_first_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let recording = Recording::start(spec(folder.path())).unwrap();
    offer(&recording, 0..100);
    recording.finish(RecordingEnd::Stopped, soon()).unwrap();
    let file = folder.path().join("rec.pcapng");
    let whole = fs::read(&file).unwrap();
    let last = |file: &Path| {
        let mut all = Vec::new();
        last_events(file, |at, bytes| all.push((at, number(bytes).1))).unwrap();
        all
    };
    let expected: Vec<_> = (0..100).rev().map(|at| (1_000 + at, at)).collect();
    assert_eq!(last(&file), expected);
    for cut in (0..whole.len()).step_by(61) {
        fs::write(&file, &whole[..cut]).unwrap();
        assert!(last(&file).len() <= 100);
    }
    fs::write(&file, [0xff; 100]).unwrap();
    assert_eq!(last(&file), []);
}
