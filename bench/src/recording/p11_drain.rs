//! P11: the recorder's final drain, from the end's begin until file and manifest are on disk and under
//! their names, beside `dd conv=fdatasync` of as many bytes to the same disk.
//!
//! The drain thread is told to sleep until it is woken, so that the rings hold all of it when the
//! end begins. What is measured is [`Recording::finish`], whole: cut, drain, sum, fsync, rename.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use onair_api::RecordingEnd;
use onair_record::{MAX_SNAP_LENGTH, Recording, Spec};

use crate::result::row::Row;
use crate::result::samples::{Samples, float};
use crate::run::Run;

/// As many producers as the requirement has threads.
const PRODUCERS: usize = 64;
/// Bytes of each ring.
const RING: usize = 4 << 20;
/// Bytes of a packet on the wire, and what is captured of it in the row of events.
const PACKET: u32 = 1400;
const SNAP: u32 = 96;
const TIMEOUT: Duration = Duration::from_secs(120);
const DISK_SHARE: f64 = 0.9;
const LEAST_MB: f64 = 100.0;
const LEAST_EVENTS: f64 = 1e6;

/// What a final drain came to.
struct Drained {
    events: u64,
    bytes: u64,
    seconds: f64,
}

pub(crate) fn measure(run: &Run) -> Result<Vec<Row>> {
    let rounds = run.of(20).max(3);
    run.case("final drain", rounds * 2);
    let mut whole = [Samples::default(), Samples::default()];
    for _ in 0..rounds {
        let drained = drain(MAX_SNAP_LENGTH)?;
        whole[0].push(megabytes(drained.bytes) / drained.seconds);
        whole[1].push(megabytes(drained.bytes) / dd(drained.bytes)?);
        run.step();
    }
    let mut events = Samples::default();
    for _ in 0..rounds {
        let drained = drain(SNAP)?;
        events.push(float(drained.events) / drained.seconds);
        run.step();
    }
    let [ours, disk] = whole;
    let pinned = format!("{PRODUCERS} producers; drain and sync thread where the kernel puts them");
    let bytes = Row::of("P11", "bytes, packets of 1400", "MB/s", &ours)
        .beside("dd conv=fdatasync", &ours, &disk)
        .pinned(&pinned)
        .more_is_better()
        .target("≥ 90 % of the disk, ≥ 100 MB/s", |row| {
            row.ratio.is_some_and(|it| it >= DISK_SHARE)
                && row.value.is_some_and(|it| it >= LEAST_MB)
        });
    let events = Row::of("P11", "events, snap length 96", "events/s", &events)
        .limit("requirement", LEAST_EVENTS)
        .pinned(pinned)
        .more_is_better()
        .target("≥ 1 M/s", |row| {
            row.value.is_some_and(|it| it >= LEAST_EVENTS)
        });
    Ok(vec![bytes, events])
}

/// Fills all rings, and ends the recording.
fn drain(snap_length: u32) -> Result<Drained> {
    let folder = tempfile::tempdir()?;
    let mut spec = Spec::new(folder.path(), "drain".parse()?);
    spec.snap_length = snap_length;
    spec.ring_bytes = RING;
    spec.sleep = Some(TIMEOUT);
    let recording = Recording::start(spec)?;
    let packet = vec![0x5a; usize::try_from(PACKET)?];
    let mut producers = Vec::new();
    for number in 0..PRODUCERS {
        producers.push(recording.producer(&format!("p{number}"))?);
    }
    // So that all of them are known to it, and it sleeps.
    recording.flush(Instant::now() + TIMEOUT)?;
    let mut accepted = 0;
    for producer in &mut producers {
        let mut at = 0;
        while producer.offer(at, PACKET, &packet) {
            at += 1;
        }
        accepted += at;
    }
    let begun = Instant::now();
    let manifest = recording.finish(RecordingEnd::Shutdown, begun + TIMEOUT)?;
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(manifest.totals.written == accepted, "{:?}", manifest.totals);
    ensure!(manifest.problems.is_empty(), "{:?}", manifest.problems);
    Ok(Drained {
        events: accepted,
        bytes: manifest.bytes(),
        seconds,
    })
}

/// Seconds that dd needs for so many bytes, to the same disk, in blocks of the recorder's size.
fn dd(bytes: u64) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("dd");
    let begun = Instant::now();
    let status = Command::new("dd")
        .arg("if=/dev/zero")
        .arg(format!("of={}", file.display()))
        .args(["bs=1M", "iflag=count_bytes", "conv=fdatasync"])
        .arg(format!("count={bytes}"))
        .stderr(Stdio::null())
        .status()
        .context("starting dd")?;
    ensure!(status.success(), "dd: {status}");
    Ok(begun.elapsed().as_secs_f64())
}

fn megabytes(bytes: u64) -> f64 {
    float(bytes) / 1e6
}
