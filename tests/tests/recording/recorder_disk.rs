//! Disks that are full, hang or fail, and a folder that is removed: gaps with their counts,
//! no harm to others, and on again when it is over.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use onair_api::RecordingEnd;
use onair_record::{
    DrainState, FinishError, FlushError, Manifest, Producer, Recording, Spec, Status,
};
use onair_tests::storm::{captures, event, name, numbers, read_event};
use onair_tests::{Deadline, Stage, output, until};

const MIB: u64 = 1 << 20;
const TIMEOUT: Duration = Duration::from_secs(60);

fn soon() -> Instant {
    Instant::now() + TIMEOUT
}

/// A recording `rec` and its one producer.
struct Taken {
    recording: Recording,
    producer: Producer,
    offered: u64,
    accepted: Vec<u64>,
}

impl Taken {
    fn start(folder: &Path, min_free: u64) -> Result<Self> {
        let mut spec = Spec::new(folder, "rec".parse()?);
        (spec.snap_length, spec.ring_bytes, spec.min_free_bytes) = (96, 1 << 20, min_free);
        Self::of(spec)
    }

    fn of(spec: Spec) -> Result<Self> {
        let recording = Recording::start(spec)?;
        let producer = recording.producer(&name(0))?;
        Ok(Self {
            recording,
            producer,
            offered: 0,
            accepted: Vec::new(),
        })
    }

    fn offer(&mut self, events: u64) {
        for _ in 0..events {
            let bytes = event(0, self.offered);
            if self.producer.offer(self.offered, 1400, &bytes) {
                self.accepted.push(self.offered);
            }
            self.offered += 1;
        }
    }

    fn status(&self) -> Status {
        self.recording.status()
    }

    /// Goes on offering, a burst now and then, until the status is as `is` wants it.
    fn offer_until(&mut self, what: &str, is: impl Fn(&Status) -> bool) -> Result<Status> {
        until(what, Deadline::after(TIMEOUT), || {
            let status = self.status();
            if is(&status) {
                return Ok(Some(status));
            }
            self.offer(1000);
            Ok(None)
        })
    }

    fn goes_on(&mut self) -> Result<Status> {
        self.offer_until("the recording to go on", |it| {
            it.state == DrainState::Recording
        })
    }

    fn finish(&mut self) -> Result<Manifest> {
        let manifest = self.recording.finish(RecordingEnd::Stopped, soon())?;
        let totals = manifest.totals;
        ensure!(totals.balance() && totals.pending == 0, "{totals:?}");
        ensure!(totals.arrived == self.offered, "{totals:?}");
        ensure!(totals.accepted == self.accepted.len() as u64, "{totals:?}");
        Ok(manifest)
    }

    /// What is in the files: the accepted ones, in order, but for the last `lost` of them.
    fn check(&self, folder: &Path, manifest: &Manifest, lost: usize) -> Result<()> {
        let found = numbers(&captures(folder, manifest)?)?
            .remove(&0)
            .unwrap_or_default();
        let kept = self.accepted.len() - lost;
        ensure!(
            found == self.accepted[..kept],
            "{} found, {kept} expected",
            found.len()
        );
        for file in &manifest.files {
            output(
                "tshark",
                &["-n", "-q", "-r", &folder.join(&file.name).to_string_lossy()],
            )?;
        }
        Ok(())
    }

    /// What is in the files: the accepted ones, in order, but for those that were removed with theirs.
    fn check_after_removal(&self, folder: &Path, manifest: &Manifest) -> Result<()> {
        let lost = usize::try_from(manifest.totals.lost.removed)?;
        let found: Vec<u64> = captures(folder, manifest)?
            .iter()
            .flat_map(|it| &it.packets)
            .map(|it| read_event(&it.bytes).map(|(_, number)| number))
            .collect::<Result<_>>()?;
        ensure!(found == self.accepted[lost..], "{} found", found.len());
        Ok(())
    }
}

fn degraded(status: &Status, word: &str) -> bool {
    let reason = status.reason.as_deref().unwrap_or_default();
    status.state == DrainState::Degraded && reason.contains(word)
}

#[test]
fn disk_full_then_gaps_counted_files_open_and_none_is_empty() -> Result<()> {
    let stage = Stage::open("disk")?;
    let folder = stage.tmpfs("small", 32 * MIB)?;
    for min_free in [0, 8 * MIB] {
        let ballast = folder.join("ballast");
        fs::write(&ballast, vec![1; 10 << 20])?;
        let mut taken = Taken::start(&folder, min_free)?;
        let full =
            taken.offer_until("the disk to be full", |it| it.state == DrainState::Degraded)?;
        let word = if min_free > 0 {
            "to stay free"
        } else {
            "No space"
        };
        ensure!(degraded(&full, word), "{:?}", full.reason);
        if min_free > 0 {
            let about = rustix::fs::statvfs(&folder)?;
            ensure!(
                about.f_bavail * about.f_frsize >= min_free,
                "the guard let through"
            );
        }
        taken.offer(5000);
        ensure!(taken.status().totals.dropped.disk_full > 0);
        fs::remove_file(&ballast)?;
        taken.goes_on()?;
        taken.offer(100);
        taken.recording.flush(soon())?;
        let manifest = taken.finish()?;
        ensure!(manifest.totals.lost.total() == 0, "{:?}", manifest.totals);
        ensure!(
            manifest.gaps.iter().any(|gap| gap.disk_full > 0),
            "{:?}",
            manifest.gaps
        );
        taken.check(&folder, &manifest, 0)?;
        clear(&folder)?;
    }
    full_in_the_final_drain(&stage)?;
    full_where_a_part_begins(&stage)?;
    stage.take_down()
}

/// Full in the final drain: the file opens, and what is lost is counted.
fn full_in_the_final_drain(stage: &Stage) -> Result<()> {
    // The one takes no direct writes, or copies them; the other one takes them.
    let memory = stage.tmpfs("drained", 32 * MIB)?;
    let disk = stage.disk("disk", stage.directory(), 32 * MIB)?;
    for folder in [memory, disk.path().join("recordings")] {
        let mut spec = Spec::new(&folder, "rec".parse()?);
        (spec.snap_length, spec.ring_bytes, spec.min_free_bytes) = (96, 48 << 20, 0);
        spec.sleep = Some(TIMEOUT);
        let mut taken = Taken::of(spec)?;
        taken.offer(1000);
        // From here on the drain thread sleeps.
        taken.recording.flush(soon())?;
        while taken.status().totals.dropped.ring_full == 0 {
            taken.offer(1000);
        }
        let manifest = taken.finish()?;
        let totals = manifest.totals;
        ensure!(totals.lost.disk_full > 0, "{totals:?}");
        ensure!(totals.written > 100_000, "{totals:?}");
        let told = manifest.problems.join("\n");
        ensure!(told.contains("No space"), "{told}");
        let lost = usize::try_from(totals.lost.disk_full)?;
        taken.check(&folder, &manifest, lost)?;
    }
    Ok(())
}

/// Full where a part begins: there is no empty one.
fn full_where_a_part_begins(stage: &Stage) -> Result<()> {
    let folder = stage.tmpfs("parts", 16 * MIB)?;
    let mut spec = Spec::new(&folder, "rec".parse()?);
    (spec.snap_length, spec.ring_bytes) = (96, 1 << 20);
    (spec.min_free_bytes, spec.split_size) = (8 * MIB, Some(MIB / 4));
    let mut taken = Taken::of(spec)?;
    taken.offer_until("the disk to be full", |it| it.state == DrainState::Degraded)?;
    let manifest = taken.finish()?;
    for file in &manifest.files {
        ensure!(file.bytes > 0, "{file:?}");
    }
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        ensure!(fs::metadata(&path)?.len() > 0, "{}", path.display());
    }
    let lost = usize::try_from(manifest.totals.lost.total())?;
    taken.check(&folder, &manifest, lost)?;
    Ok(())
}

#[test]
fn folder_removed_under_way_then_made_again_and_losses_counted() -> Result<()> {
    let stage = Stage::open("disk")?;
    let folder = stage.directory().join("recordings");
    let mut taken = Taken::start(&folder, 0)?;
    taken.offer(5000);
    taken.recording.flush(soon())?;
    fs::remove_dir_all(&folder)?;
    let status = taken.offer_until("the loss to be seen", |it| it.totals.lost.removed > 0)?;
    ensure!(status.problems.iter().any(|it| it.contains("removed")) || status.problems.is_empty());
    let before = taken.accepted.len();
    taken.offer(500);
    taken.recording.flush(soon())?;
    let manifest = taken.finish()?;
    ensure!(
        manifest
            .problems
            .iter()
            .any(|it| it.contains("was removed")),
        "{:?}",
        manifest.problems
    );
    ensure!(
        manifest.totals.lost.removed >= 5000,
        "{:?}",
        manifest.totals
    );
    ensure!(before < taken.accepted.len());
    taken.check_after_removal(&folder, &manifest)?;
    ensure!(folder.join("rec.json").exists());
    stage.take_down()
}

#[test]
fn disk_hangs_then_no_producer_waits_and_requests_end_in_time() -> Result<()> {
    let stage = Stage::open("disk")?;
    let disk = stage.disk("slow", stage.directory(), 128 * MIB)?;
    let folder = disk.path().join("recordings");
    let mut taken = Taken::start(&folder, 0)?;
    taken.offer(1000);
    taken.recording.flush(soon())?;
    let ice = disk.freeze()?;
    let status = taken.offer_until("the disk to be called slow", |it| degraded(it, "disk"))?;
    ensure!(status.totals.pending > 0);
    // It goes on counting what has no place.
    taken.offer_until("the ring to be full", |it| it.totals.dropped.ring_full > 0)?;
    let now = Instant::now();
    match taken.recording.flush(now) {
        Err(FlushError::Late { doing, pending, .. }) => {
            ensure!(pending > 0 && doing.contains("disk"), "{doing}");
        }
        other => anyhow::bail!("{other:?}"),
    }
    match taken
        .recording
        .finish(RecordingEnd::Stopped, now + Duration::from_millis(20))
    {
        Err(FinishError::Late { pending, .. }) => ensure!(pending > 0),
        other => anyhow::bail!("{other:?}"),
    }
    drop(ice);
    let manifest = taken.finish()?;
    ensure!(manifest.totals.lost.total() == 0, "{:?}", manifest.totals);
    taken.check(&folder, &manifest, 0)?;
    drop(taken);
    stage.take_down()
}

/// The disk says that it has space, and what is written to it does not arrive: it lies on a full one.
#[test]
fn disk_fails_below_then_told_and_the_totals_balance() -> Result<()> {
    let stage = Stage::open("disk")?;
    let backing = stage.tmpfs("backing", 24 * MIB)?;
    let disk = stage.disk("broken", &backing, 256 * MIB)?;
    let folder = disk.path().join("recordings");
    let mut taken = Taken::start(&folder, 0)?;
    taken.offer_until("an error of the disk", |it| {
        it.state == DrainState::Degraded || it.problems.iter().any(|it| it.contains("error"))
    })?;
    let manifest = taken.finish()?;
    let told = manifest.problems.join("\n");
    ensure!(
        told.contains("error") || told.contains("Read-only"),
        "{told}"
    );
    // What the disk did not take is not called written.
    let totals = manifest.totals;
    ensure!(manifest.unfinished().count() == 1, "{:?}", manifest.files);
    ensure!(
        totals.written == 0 && totals.lost.disk_fault == totals.accepted,
        "{totals:?} {told}"
    );
    drop(taken);
    stage.take_down()
}

fn clear(folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        fs::remove_file(entry?.path())?;
    }
    Ok(())
}
