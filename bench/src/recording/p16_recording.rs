//! P16: a producer is stopped, a recording is flushed, a recording is on disk; each beside the bare
//! thing: a flag that another thread sees, a write of as many bytes, a write and an fsync.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use onair_api::RecordingEnd;
use onair_record::{Producer, Recording, Spec};

use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::run::Run;

const PRODUCERS: usize = 64;
const SNAP: u32 = 96;
/// Events of each producer between two flushes.
const EVENTS: u64 = 100;
/// What is recorded before the end, at the rate of the requirement: 100 MB in a second.
const BURSTS: u32 = 100;
const BURST_BYTES: usize = 1_000_000;
const BURST_TIME: Duration = Duration::from_millis(10);
const TIMEOUT: Duration = Duration::from_secs(60);
const STOP_US: f64 = 10.0;
const FLUSH_US: f64 = 1000.0;
const FSYNC_MS: f64 = 50.0;

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    Ok(vec![stop(run)?, flush(run)?, fsync(run)?])
}

fn spec(folder: &Path) -> Result<Spec> {
    let mut spec = Spec::new(folder, "bench".parse()?);
    spec.snap_length = SNAP;
    spec.ring_bytes = 1 << 20;
    Ok(spec)
}

/// Looks of a producer at the door for each event that it offers: as many events as the drain thread
/// can take, so that there is a core for the producer where there are two.
const LOOKS: u32 = 1000;

/// From the call until the producer, which looks all the while, is turned away.
fn stop(run: &Run) -> Result<Row> {
    let rounds = run.of(500);
    run.case("thread stop", rounds);
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..rounds {
        let folder = tempfile::tempdir()?;
        let recording = Recording::start(spec(folder.path())?)?;
        let mut producer = recording.producer("p")?;
        let packet = [0x5a; 96];
        let mut looks = 0;
        ours.push(seen(
            || {
                looks += 1;
                if looks % LOOKS == 0 {
                    producer.offer(1, 96, &packet);
                }
                !producer.is_accepting()
            },
            || recording.stop_accepting(),
        ));
        let flag = AtomicBool::new(false);
        bare.push(seen(
            || flag.load(Ordering::Acquire),
            || flag.store(true, Ordering::Release),
        ));
        drop(producer);
        // Before the folder goes: a recording that ends later would make it again.
        recording.finish(RecordingEnd::Stopped, Instant::now() + TIMEOUT)?;
        run.step();
    }
    Ok(Row::of("P16", "thread stop", "µs", &ours)
        .beside("a bare flag", &ours, &bare)
        .pinned("the producer where the kernel puts it, looking without a pause")
        .target("p50 ≤ 10 µs", |row| row.p50_at_most(STOP_US)))
}

/// µs from `act` until `look`, which another thread calls all the while, says `true` there.
fn seen(mut look: impl FnMut() -> bool + Send, act: impl FnOnce()) -> f64 {
    let turns = AtomicU32::new(0);
    std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            while !look() {
                turns.fetch_add(1, Ordering::Relaxed);
            }
            Instant::now()
        });
        while turns.load(Ordering::Relaxed) < 1000 {
            std::thread::yield_now();
        }
        let begun = Instant::now();
        act();
        let ended = other.join().expect("it does not panic");
        ended.saturating_duration_since(begun).as_secs_f64() * 1e6
    })
}

fn fill(producers: &mut [Producer], at: u64) -> Result<usize> {
    let packet = [0x5a; 96];
    for producer in producers.iter_mut() {
        for number in 0..EVENTS {
            ensure!(producer.offer(at + number, 96, &packet), "the ring is full");
        }
    }
    Ok(producers.len() * usize::try_from(EVENTS)? * 128)
}

/// A flush of 64 rings with 100 events each, for each ring.
fn flush(run: &Run) -> Result<Row> {
    let rounds = run.of(1000);
    run.case("flush", rounds);
    let folder = tempfile::tempdir()?;
    let recording = Recording::start(spec(folder.path())?)?;
    let mut producers = Vec::new();
    for number in 0..PRODUCERS {
        producers.push(recording.producer(&format!("p{number}"))?);
    }
    let file = File::create(folder.path().join("bare"))?;
    let (mut ours, mut bare, mut offset) = (Samples::default(), Samples::default(), 0);
    for round in 0..rounds as u64 {
        let bytes = fill(&mut producers, round * EVENTS)?;
        let begun = Instant::now();
        recording.flush(begun + TIMEOUT)?;
        ours.push(each(begun.elapsed()));
        let block = vec![0x5a; bytes];
        let begun = Instant::now();
        file.write_all_at(&block, offset)?;
        bare.push(each(begun.elapsed()));
        offset += bytes as u64;
        run.step();
    }
    let manifest = recording.finish(RecordingEnd::Stopped, Instant::now() + TIMEOUT)?;
    ensure!(manifest.totals.written == rounds as u64 * EVENTS * PRODUCERS as u64);
    Ok(Row::of(
        "P16",
        "flush, each of 64 rings with 100 events",
        "µs",
        &ours,
    )
    .beside("pwrite of as many bytes", &ours, &bare)
    .pinned("nothing")
    .target("p50 ≤ 1 ms", |row| row.p50_at_most(FLUSH_US)))
}

fn each(elapsed: Duration) -> f64 {
    elapsed.as_secs_f64() * 1e6 / float(PRODUCERS as u64)
}

/// The end of a recording that got 100 MB in its last second, whole: drain, fsync, rename, manifest.
fn fsync(run: &Run) -> Result<Row> {
    let rounds = run.of(20).max(3);
    run.case("fsync of a recording", rounds);
    let (mut ours, mut bare) = (Samples::default(), Samples::default());
    for _ in 0..rounds {
        let folder = tempfile::tempdir()?;
        let mut spec = spec(folder.path())?;
        (spec.snap_length, spec.ring_bytes) = (1400, 8 << 20);
        let recording = Recording::start(spec)?;
        let mut producer = recording.producer("p")?;
        let packet = [0x5a; 1400];
        let begun = Instant::now();
        for burst in 0..BURSTS {
            for _ in 0..BURST_BYTES / packet.len() {
                producer.offer(1, 1400, &packet);
            }
            let due = begun + BURST_TIME * (burst + 1);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        let begun = Instant::now();
        let manifest = recording.finish(RecordingEnd::Shutdown, begun + TIMEOUT)?;
        ours.push(begun.elapsed().as_secs_f64() * 1e3);
        ensure!(
            manifest.totals.dropped.ring_full == 0,
            "the disk is too slow for 100 MB/s"
        );
        // One burst, as it is not on disk yet, and the same three files and folders.
        let file = File::create(folder.path().join("bare"))?;
        let block = vec![0x5a; BURST_BYTES];
        let begun = Instant::now();
        file.write_all_at(&block, 0)?;
        file.sync_all()?;
        bare.push(begun.elapsed().as_secs_f64() * 1e3);
        run.step();
    }
    Ok(
        Row::of("P16", "fsync of a recording of 100 MB/s", "ms", &ours)
            .beside("write of 1 MB and fsync", &ours, &bare)
            .pinned("nothing")
            .target("p50 ≤ 50 ms", |row| row.p50_at_most(FSYNC_MS)),
    )
}
