//! Conversion of the recorder's documents into the API's.

use std::collections::BTreeMap;

use onair_api::{
    ProducerCounts, RecordedFile, RecordingCounts, RecordingGap, RecordingRepair, RecordingRestart,
    RecordingView, Timestamp,
};
use onair_record::{Counts, Dropped, FileReport, GAPS_TOLD, Gap, Lost, Manifest, Restart};

/// Counts by reason. Zero counts are left out.
#[must_use]
pub fn counts(counts: &Counts) -> RecordingCounts {
    // No `..`: a new reason must be named here.
    let Dropped {
        ring_full,
        disk_full,
        disk_fault,
        not_accepting,
    } = counts.dropped;
    let dropped = [
        ("ring_full", ring_full),
        ("disk_full", disk_full),
        ("disk_fault", disk_fault),
        ("not_accepting", not_accepting),
    ];
    let Lost {
        disk_full,
        disk_fault,
        removed,
        killed,
    } = counts.lost;
    let lost = [
        ("disk_full", disk_full),
        ("disk_fault", disk_fault),
        ("removed", removed),
        ("killed", killed),
    ];
    let named = |all: &[(&str, u64)]| -> BTreeMap<String, u64> {
        let some = all.iter().filter(|(_, count)| *count > 0);
        some.map(|(name, count)| ((*name).to_owned(), *count))
            .collect()
    };
    RecordingCounts {
        arrived: counts.arrived,
        accepted: counts.accepted,
        dropped: named(&dropped),
        written: counts.written,
        written_bytes: counts.written_bytes,
        lost: named(&lost),
        pending: counts.pending,
        missing: counts.missing(),
    }
}

/// Counts of each producer.
#[must_use]
pub fn producers(all: &[onair_record::ProducerCounts]) -> Vec<ProducerCounts> {
    let one = |it: &onair_record::ProducerCounts| ProducerCounts {
        name: it.name.clone(),
        counts: counts(&it.counts),
    };
    all.iter().map(one).collect()
}

/// Files, in order.
#[must_use]
pub fn files(all: &[FileReport]) -> Vec<RecordedFile> {
    let one = |it: &FileReport| RecordedFile {
        name: it.name.clone(),
        bytes: it.bytes,
        events: it.events,
        sha256: it.sha256.clone(),
    };
    all.iter().map(one).collect()
}

/// Restarts of the daemon, in order.
#[must_use]
pub fn restarts(all: &[Restart]) -> Vec<RecordingRestart> {
    let one = |it: &Restart| RecordingRestart {
        cause: it.cause,
        after: it.after.map(|it| Timestamp(it.0)),
        before: it.before.map(|it| Timestamp(it.0)),
        missed: it.missed,
    };
    all.iter().map(one).collect()
}

/// The first gaps, in the order of their ends.
#[must_use]
pub fn gaps(all: &[Gap]) -> Vec<RecordingGap> {
    let one = |it: &Gap| RecordingGap {
        after: it.after.map(|it| Timestamp(it.0)),
        before: it.before.map(|it| Timestamp(it.0)),
        ring_full: it.ring_full,
        disk_full: it.disk_full,
        disk_fault: it.disk_fault,
    };
    all.iter().take(GAPS_TOLD).map(one).collect()
}

/// Fills `view` from a manifest.
pub fn fill(view: &mut RecordingView, manifest: &Manifest) {
    view.end = manifest.cause.or(view.end);
    view.files = files(&manifest.files);
    view.counts = counts(&manifest.totals);
    view.producers = producers(&manifest.producers);
    view.gaps = manifest.gaps_in_all();
    view.gap_list = gaps(&manifest.gaps);
    view.problems.clone_from(&manifest.problems);
    view.restarts = restarts(&manifest.restarts);
    view.repair = manifest.repair.as_ref().map(|repair| RecordingRepair {
        at: Timestamp(repair.at.0),
        cut_bytes: repair.files.iter().map(|it| it.cut_bytes).sum(),
        added_bytes: repair.files.iter().map(|it| it.added_bytes).sum(),
        says: repair.says.clone(),
    });
}
