//! Statement in the manifest of a repaired recording: the known facts, and the unknown ones.

use std::collections::BTreeMap;

use onair_api::RecordingEnd;

use crate::manifest::{Manifest, Repair, RepairedFile, Stage, Time};
use crate::totals::{Counts, ProducerCounts};

use super::file::FoundFile;

pub(super) fn write(
    manifest: &mut Manifest,
    found: &[FoundFile],
    files: Vec<RepairedFile>,
    at: Time,
    last_known: Time,
) {
    let known = manifest.totals;
    for file in &manifest.files {
        let is_there = found.iter().any(|it| {
            it.known
                .as_ref()
                .is_some_and(|known| known.name == file.name)
        });
        if !is_there {
            let text = format!("{} was missing when the recording was repaired", file.name);
            manifest.problems.push(text);
        }
    }
    let troubles = found.iter().filter_map(FoundFile::trouble);
    manifest.problems.extend(troubles);
    manifest.files = found.iter().map(FoundFile::report).collect();
    settle(manifest, found);
    count_by_producer(manifest, found);
    manifest.stage = Stage::Repaired;
    manifest.cause = Some(RecordingEnd::Killed);
    manifest.as_of = at;
    let cut: u64 = files.iter().map(|it| it.cut_bytes).sum();
    let events: u64 = manifest.files.iter().map(|it| it.events).sum();
    let says = format!(
        "{events} events are in the files, {cut} incomplete bytes were removed. The last known counts are of \
         {last_known}: at least {} arrived, {} accepted, {} dropped. What came after that, and how \
         much of it was lost, is not known.",
        known.arrived,
        known.accepted,
        known.dropped.total()
    );
    manifest.repair = Some(Repair { at, files, says });
}

/// A later repair does not read a complete file again: its report has the counts of each producer.
fn count_by_producer(manifest: &mut Manifest, found: &[FoundFile]) {
    for (report, file) in manifest.files.iter_mut().zip(found) {
        let of = |name: &str| {
            let events = file.contents.events.iter();
            events.filter(|it| it.0 == name).map(|it| it.1).sum()
        };
        let producers = manifest.producers.iter();
        report.by_producer = producers.map(|it| of(&it.name)).collect();
    }
}

/// The counts: arrived as last known, written as found; the difference is lost.
fn settle(manifest: &mut Manifest, found: &[FoundFile]) {
    let mut written: BTreeMap<&str, u64> = BTreeMap::new();
    for (name, count) in found.iter().flat_map(|it| &it.contents.events) {
        *written.entry(name).or_default() += count;
    }
    let named: Vec<_> = manifest
        .producers
        .iter()
        .map(|it| it.name.clone())
        .collect();
    for (name, _) in written
        .iter()
        .filter(|(name, _)| !named.iter().any(|it| it == *name))
    {
        manifest.producers.push(ProducerCounts {
            name: (*name).to_owned(),
            counts: Counts::default(),
        });
    }
    for producer in &mut manifest.producers {
        // Producers with the same name share what is found under it: the first one gets it.
        let found = written.remove(producer.name.as_str()).unwrap_or_default();
        producer.counts.written = found;
    }
    manifest.totals = Counts::default();
    for producer in &mut manifest.producers {
        let counts = &mut producer.counts;
        let settled = counts.written + counts.lost.total();
        counts.accepted = counts.accepted.max(settled);
        counts.arrived = counts.accepted + counts.dropped.total();
        counts.lost.killed += counts.accepted - settled;
        counts.pending = 0;
        manifest.totals.add(counts);
    }
}
